//! Drawing the modem, its sockets and an update over the air.

use lockstep::electron::PacketCounts;
use lockstep_modem::network::{Protocol, TcpState};
use lockstep_modem::{PowerState, RegistrationStatus, SocketView};
use ratatui::Frame as Target;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, LineGauge, Row, Table};

use super::frame::{Frame, Modem};
use super::update::{Update, UpdateEnd};
use crate::cli::output::grouped;

/// As it should be.
const GOOD: Style = Style::new().fg(Color::Green);
/// On its way, or something to look at.
const BUSY: Style = Style::new().fg(Color::Yellow);
/// Wrong.
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
/// Not there.
const NONE: Style = Style::new().add_modifier(Modifier::DIM);

/// Lines that [`modem_lines`] gives.
pub const MODEM_LINES: u16 = 6;

/// Power, registration, signal, PDP context, serial line, packets.
pub fn modem_lines(modem: &Modem) -> Vec<Line<'static>> {
    let line = |name: &'static str, spans: Vec<Span<'static>>| {
        let mut all = vec![Span::styled(format!("{name:<9}"), NONE)];
        all.extend(spans);
        Line::from(all)
    };
    let (circuit, packet) = modem.registration;
    let pdp = match modem.address {
        Some(address) => Span::styled(format!("up, {address}"), GOOD),
        None => Span::styled("down", NONE),
    };
    let cts = if modem.cts { Span::styled("on", GOOD) } else { Span::styled("off", BUSY) };
    vec![
        line("power", vec![power(modem.power)]),
        line(
            "network",
            vec![
                registration(circuit),
                Span::styled(", packet ", NONE),
                registration(packet),
                Span::raw(format!("  {}", modem.operator)),
            ],
        ),
        line("signal", signal(modem.signal)),
        line("PDP", vec![pdp]),
        line("line", vec![Span::raw(format!("{} bit/s, CTS ", modem.baud_hz)), cts]),
        line("packets", packets(&modem.packets)),
    ]
}

fn power(state: PowerState) -> Span<'static> {
    match state {
        PowerState::On => Span::styled("on", GOOD),
        PowerState::Off => Span::styled("off", NONE),
        PowerState::Starting | PowerState::Booting => Span::styled("booting", BUSY),
        PowerState::ShuttingDown => Span::styled("shutting down", BUSY),
        PowerState::Reset => Span::styled("held in reset", BAD),
        // A state of a later model is shown by its name.
        #[allow(unreachable_patterns)]
        other => Span::styled(format!("{other:?}"), BAD),
    }
}

fn registration(status: RegistrationStatus) -> Span<'static> {
    match status {
        RegistrationStatus::Home => Span::styled("home", GOOD),
        RegistrationStatus::Roaming => Span::styled("roaming", GOOD),
        RegistrationStatus::Searching => Span::styled("searching", BUSY),
        RegistrationStatus::Denied => Span::styled("denied", BAD),
        RegistrationStatus::NotRegistered => Span::styled("not registered", NONE),
    }
}

/// As `AT+CSQ` codes it (3GPP TS 27.007 8.5): 0 to 31 in steps of 2 dB from -113 dBm on, 99 unknown.
fn signal(strength: u8) -> Vec<Span<'static>> {
    if strength > 31 {
        return vec![Span::styled("unknown", NONE)];
    }
    let style = match strength {
        0..5 => BAD,
        5..10 => BUSY,
        _ => GOOD,
    };
    let bars = ["▂", "▄", "▆", "█"];
    let lit = usize::from(strength / 8 + 1).min(bars.len());
    let (on, off) = bars.split_at(lit);
    let dbm = i32::from(strength) * 2 - 113;
    vec![Span::styled(on.concat(), style), Span::styled(off.concat(), NONE), Span::raw(format!("  {dbm} dBm"))]
}

fn packets(counts: &PacketCounts) -> Vec<Span<'static>> {
    let mut spans = vec![Span::raw(format!("↑ {}  ↓ {}", grouped(counts.sent), grouped(counts.received)))];
    if counts.lost > 0 {
        spans.push(Span::styled(format!("  {} lost", grouped(counts.lost)), BUSY));
    }
    spans
}

/// Rows that the table of sockets takes, its border included.
pub fn sockets_height(sockets: &[SocketView]) -> u16 {
    u16::try_from(sockets.len()).unwrap_or(u16::MAX).saturating_add(if sockets.is_empty() { 2 } else { 3 }).max(3)
}

/// The table of sockets.
pub fn draw_sockets(to: &mut Target<'_>, area: Rect, frame: &Frame) {
    let limit = frame.modem.socket_limit_bytes;
    let title = format!("sockets {} of 7", frame.sockets.len());
    let block = Block::bordered().title(title);
    if frame.sockets.is_empty() {
        to.render_widget(ratatui::widgets::Paragraph::new(Line::styled("none open", NONE)).block(block), area);
        return;
    }
    let right = |text: &'static str| Cell::from(Line::raw(text).right_aligned());
    let header = Row::new([
        Cell::from("#"),
        Cell::from(""),
        Cell::from("state"),
        right("port"),
        Cell::from("peer"),
        right("unread/limit"),
        right("sent"),
        right("received"),
    ])
    .style(NONE);
    let widths = [
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(11),
        Constraint::Length(5),
        Constraint::Max(21),
        Constraint::Length(12),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    let rows = frame.sockets.iter().map(|socket| socket_row(socket, limit));
    to.render_widget(Table::new(rows, widths).header(header).block(block), area);
}

fn socket_row(socket: &SocketView, limit: usize) -> Row<'static> {
    let (state, style) = match (socket.protocol, socket.tcp_state) {
        (Protocol::Udp, _) => ("open", GOOD),
        (_, TcpState::Established) => ("established", GOOD),
        (_, TcpState::Closed) => ("closed", NONE),
        (_, TcpState::Listen) => ("listening", GOOD),
        (_, TcpState::SynSent | TcpState::SynReceived) => ("connecting", BUSY),
        (_, TcpState::CloseWait) => ("peer closed", BUSY),
        (_, _) => ("closing", BUSY),
    };
    // Nearly full: TCP's window closes, and UDP is lost.
    let pending_style = match socket.pending_bytes {
        0 => NONE,
        _ if socket.lost_bytes > 0 => BAD,
        bytes if bytes * 4 >= limit * 3 => BUSY,
        _ => Style::new(),
    };
    let lost = if socket.lost_bytes > 0 { "!" } else { "" };
    let protocol = if socket.protocol == Protocol::Tcp { "TCP" } else { "UDP" };
    let right = |text: String| Cell::from(Line::raw(text).right_aligned());
    Row::new([
        Cell::from(socket.handle.to_string()),
        Cell::from(protocol),
        Cell::from(state).style(style),
        right(socket.local_port.to_string()),
        Cell::from(socket.remote.map_or_else(|| "-".to_owned(), |remote| remote.to_string())),
        right(format!("{}/{limit}{lost}", socket.pending_bytes)).style(pending_style),
        right(grouped(socket.sent_bytes)),
        right(grouped(socket.received_bytes)),
    ])
}

/// Progress of an update, in one line.
pub fn draw_update(to: &mut Target<'_>, area: Rect, update: &Update) {
    let (state, style) = match (&update.end, update.fast) {
        (Some(UpdateEnd::Delivered), _) => ("delivered".to_owned(), GOOD),
        (Some(UpdateEnd::Failed(reason)), _) => (format!("FAILED: {reason}"), BAD),
        (None, Some(true)) => ("fast".to_owned(), BUSY),
        (None, Some(false)) => ("slow".to_owned(), BUSY),
        (None, None) => ("waits for the device".to_owned(), BUSY),
    };
    let again = if update.again > 0 { format!(", {} again", update.again) } else { String::new() };
    let bytes = grouped(update.bytes.into());
    let label = format!(" OTA {bytes} bytes  chunk {}/{}{again}  {state} ", update.sent, update.chunks);
    let gauge = LineGauge::default().ratio(update.ratio()).label(Line::styled(label, style)).filled_style(style);
    to.render_widget(gauge, area);
}
