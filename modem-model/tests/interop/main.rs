//! Other people's clients against our protocol cores, over real sockets on the loopback interface. Wall-clock time and
//! threads are here only; the cores get their time from the caller.

mod dtls_gnutls;
mod http_python;
mod loopback;
mod mqtt_paho;
mod mqtt_rumqttc;
mod support;
