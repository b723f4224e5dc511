//! Which DMA stream and channel each peripheral's request reaches (RM0033 tables 22 and 23).

use super::map::Id;

/// One cell of the tables: a device's request line, and a place where it arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub id: Id,
    /// Bit in the device's `dma_requests`.
    pub line: u8,
    /// 0 for DMA1, 1 for DMA2.
    pub controller: u8,
    pub stream: u8,
    pub channel: u8,
}

const fn route(controller: u8, channel: u8, stream: u8, id: Id, line: u8) -> Route {
    Route { id, line, controller, stream, channel }
}

/// Request lines of USART, I2C and SPI.
const TX: u8 = 0;
const RX: u8 = 1;
/// Request lines of a timer.
const UP: u8 = 0;
const CH1: u8 = 1;
const CH2: u8 = 2;
const CH3: u8 = 3;
const CH4: u8 = 4;
const COM: u8 = 5;
const TRIG: u8 = 6;

/// The cells whose peripherals are modelled.
pub(super) const ROUTES: &[Route] = &[
    route(0, 0, 0, Id::Spi3, RX),
    route(0, 0, 2, Id::Spi3, RX),
    route(0, 0, 3, Id::Spi2, RX),
    route(0, 0, 4, Id::Spi2, TX),
    route(0, 0, 5, Id::Spi3, TX),
    route(0, 0, 7, Id::Spi3, TX),
    route(0, 1, 0, Id::I2c1, RX),
    route(0, 1, 2, Id::Tim7, UP),
    route(0, 1, 4, Id::Tim7, UP),
    route(0, 1, 5, Id::I2c1, RX),
    route(0, 1, 6, Id::I2c1, TX),
    route(0, 1, 7, Id::I2c1, TX),
    route(0, 2, 0, Id::Tim4, CH1),
    route(0, 2, 3, Id::Tim4, CH2),
    route(0, 2, 6, Id::Tim4, UP),
    route(0, 2, 7, Id::Tim4, CH3),
    route(0, 3, 1, Id::Tim2, UP),
    route(0, 3, 1, Id::Tim2, CH3),
    route(0, 3, 2, Id::I2c3, RX),
    route(0, 3, 4, Id::I2c3, TX),
    route(0, 3, 5, Id::Tim2, CH1),
    route(0, 3, 6, Id::Tim2, CH2),
    route(0, 3, 6, Id::Tim2, CH4),
    route(0, 3, 7, Id::Tim2, UP),
    route(0, 3, 7, Id::Tim2, CH4),
    route(0, 4, 0, Id::Usart5, RX),
    route(0, 4, 1, Id::Usart3, RX),
    route(0, 4, 2, Id::Usart4, RX),
    route(0, 4, 3, Id::Usart3, TX),
    route(0, 4, 4, Id::Usart4, TX),
    route(0, 4, 5, Id::Usart2, RX),
    route(0, 4, 6, Id::Usart2, TX),
    route(0, 4, 7, Id::Usart5, TX),
    route(0, 5, 2, Id::Tim3, CH4),
    route(0, 5, 2, Id::Tim3, UP),
    route(0, 5, 4, Id::Tim3, CH1),
    route(0, 5, 4, Id::Tim3, TRIG),
    route(0, 5, 5, Id::Tim3, CH2),
    route(0, 5, 7, Id::Tim3, CH3),
    route(0, 6, 0, Id::Tim5, CH3),
    route(0, 6, 0, Id::Tim5, UP),
    route(0, 6, 1, Id::Tim5, CH4),
    route(0, 6, 1, Id::Tim5, TRIG),
    route(0, 6, 2, Id::Tim5, CH1),
    route(0, 6, 3, Id::Tim5, CH4),
    route(0, 6, 3, Id::Tim5, TRIG),
    route(0, 6, 4, Id::Tim5, CH2),
    route(0, 6, 6, Id::Tim5, UP),
    route(0, 7, 1, Id::Tim6, UP),
    route(0, 7, 2, Id::I2c2, RX),
    route(0, 7, 3, Id::I2c2, RX),
    route(0, 7, 4, Id::Usart3, TX),
    route(0, 7, 7, Id::I2c2, TX),
    route(1, 0, 2, Id::Tim8, CH1),
    route(1, 0, 2, Id::Tim8, CH2),
    route(1, 0, 2, Id::Tim8, CH3),
    route(1, 0, 6, Id::Tim1, CH1),
    route(1, 0, 6, Id::Tim1, CH2),
    route(1, 0, 6, Id::Tim1, CH3),
    route(1, 3, 0, Id::Spi1, RX),
    route(1, 3, 2, Id::Spi1, RX),
    route(1, 3, 3, Id::Spi1, TX),
    route(1, 3, 5, Id::Spi1, TX),
    route(1, 4, 2, Id::Usart1, RX),
    route(1, 4, 5, Id::Usart1, RX),
    route(1, 4, 7, Id::Usart1, TX),
    route(1, 5, 1, Id::Usart6, RX),
    route(1, 5, 2, Id::Usart6, RX),
    route(1, 5, 6, Id::Usart6, TX),
    route(1, 5, 7, Id::Usart6, TX),
    route(1, 6, 0, Id::Tim1, TRIG),
    route(1, 6, 1, Id::Tim1, CH1),
    route(1, 6, 2, Id::Tim1, CH2),
    route(1, 6, 3, Id::Tim1, CH1),
    route(1, 6, 4, Id::Tim1, CH4),
    route(1, 6, 4, Id::Tim1, TRIG),
    route(1, 6, 4, Id::Tim1, COM),
    route(1, 6, 5, Id::Tim1, UP),
    route(1, 6, 6, Id::Tim1, CH3),
    route(1, 7, 1, Id::Tim8, UP),
    route(1, 7, 2, Id::Tim8, CH1),
    route(1, 7, 3, Id::Tim8, CH2),
    route(1, 7, 4, Id::Tim8, CH3),
    route(1, 7, 7, Id::Tim8, CH4),
    route(1, 7, 7, Id::Tim8, TRIG),
    route(1, 7, 7, Id::Tim8, COM),
];

/// Channels requesting, per stream of one controller, given each device's request lines.
pub(super) fn channels(controller: u8, levels: &[u8]) -> [u8; 8] {
    let mut channels = [0u8; 8];
    for route in ROUTES.iter().filter(|route| route.controller == controller) {
        if levels[route.id.index()] >> route.line & 1 != 0 {
            channels[usize::from(route.stream & 7)] |= 1 << route.channel;
        }
    }
    channels
}

/// The request lines that arrive at one stream's channel.
pub(super) fn sources(controller: u8, stream: u8, channel: u8) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |r| (r.controller, r.stream, r.channel) == (controller, stream, channel))
}
