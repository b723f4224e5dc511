//! Drawing a frame.

use ratatui::Frame as Target;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::frame::Frame;
use super::modem::{MODEM_LINES, draw_sockets, draw_update, modem_lines, sockets_height};
use crate::cli::output::grouped;
use lockstep::setup::duration::seconds;

const LED_HEIGHT: u16 = 4;
const LEFT_WIDTH: u16 = 34;
/// Columns that the list of threads needs.
const THREADS_WIDTH: u16 = 46;
/// Columns that the table of sockets needs.
const SOCKETS_WIDTH: u16 = 80;

/// Draws the whole screen.
pub fn draw(to: &mut Target<'_>, frame: &Frame) {
    let [status, rest] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(to.area());
    draw_status(to, status, frame);
    if rest.width >= 120 && rest.height >= 34 {
        draw_large(to, rest, frame);
    } else {
        draw_small(to, rest, frame);
    }
}

/// Everything side by side.
fn draw_large(to: &mut Target<'_>, area: Rect, frame: &Frame) {
    let stages_height = height_of(frame.stages.len());
    let upper_height = stages_height.saturating_add(LED_HEIGHT).max(MODEM_LINES + 2 + sockets_height(&frame.sockets));
    let [upper, update, lower] = Layout::vertical([
        Constraint::Length(upper_height),
        Constraint::Length(u16::from(frame.update.is_some())),
        Constraint::Min(6),
    ])
    .areas(area);
    let [left, right] = Layout::horizontal([Constraint::Length(LEFT_WIDTH), Constraint::Min(0)]).areas(upper);
    let [led, stages] = Layout::vertical([Constraint::Length(LED_HEIGHT), Constraint::Min(3)]).areas(left);
    draw_led(to, led, frame);
    block(to, stages, "stages", stage_lines(frame));
    // Threads beside modem and sockets where the table of sockets has room, else beside the modem alone.
    let threads_width = right.width.saturating_sub(SOCKETS_WIDTH);
    if threads_width >= THREADS_WIDTH {
        let [threads, modem] = Layout::horizontal([Constraint::Min(0), Constraint::Length(SOCKETS_WIDTH)]).areas(right);
        let [modem, sockets] = Layout::vertical([Constraint::Length(MODEM_LINES + 2), Constraint::Min(3)]).areas(modem);
        block(to, threads, "threads", task_lines(frame, threads.width));
        block(to, modem, "modem", modem_lines(&frame.modem));
        draw_sockets(to, sockets, frame);
    } else {
        let [above, sockets] =
            Layout::vertical([Constraint::Min(0), Constraint::Length(sockets_height(&frame.sockets))]).areas(right);
        let [threads, modem] = Layout::horizontal([Constraint::Length(THREADS_WIDTH), Constraint::Min(0)]).areas(above);
        block(to, threads, "threads", task_lines(frame, threads.width));
        block(to, modem, "modem", modem_lines(&frame.modem));
        draw_sockets(to, sockets, frame);
    }
    if let Some(shown) = &frame.update {
        draw_update(to, update, shown);
    }
    let [traffic, output] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(lower);
    tail(to, traffic, "AT traffic", &frame.modem_lines);
    tail(to, output, "serial output and events", &frame.other_lines);
}

/// What matters most, on a terminal of 80 columns and 24 rows.
fn draw_small(to: &mut Target<'_>, area: Rect, frame: &Frame) {
    let [upper, sockets, update, lower] = Layout::vertical([
        Constraint::Length(MODEM_LINES + 2),
        Constraint::Length(sockets_height(&frame.sockets)),
        Constraint::Length(u16::from(frame.update.is_some())),
        Constraint::Min(4),
    ])
    .areas(area);
    let [left, modem] = Layout::horizontal([Constraint::Length(LEFT_WIDTH), Constraint::Min(0)]).areas(upper);
    let [led, stages] = Layout::vertical([Constraint::Length(LED_HEIGHT), Constraint::Min(3)]).areas(left);
    draw_led(to, led, frame);
    block(to, stages, "stages", around_the_newest_stage(frame, stages.height.saturating_sub(2)));
    block(to, modem, "modem", modem_lines(&frame.modem));
    draw_sockets(to, sockets, frame);
    if let Some(shown) = &frame.update {
        draw_update(to, update, shown);
    }
    let [traffic, output] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length((lower.height / 3).max(3))]).areas(lower);
    tail(to, traffic, "AT traffic", &frame.modem_lines);
    tail(to, output, "output and events", &frame.other_lines);
}

/// Rows of a block with so many lines.
fn height_of(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2)
}

/// What is wrong stands before what is merely interesting, so that a narrow terminal cuts the right end.
fn draw_status(to: &mut Target<'_>, area: Rect, frame: &Frame) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = vec![Span::styled(format!(" {}  {} s", frame.title, seconds(frame.time_ps)), bold)];
    let warning = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    if frame.faults > 0 {
        spans.push(Span::styled(format!("  {} FAULTS", frame.faults), warning));
    }
    if let Some(core) = frame.core {
        let style = if core == super::frame::LOCKED_UP { warning } else { Style::new() };
        spans.push(Span::styled(format!("  core {core}"), style));
    }
    if frame.unmodelled > 0 {
        spans.push(Span::styled(format!("  {} not modelled", frame.unmodelled), Style::new().fg(Color::Yellow)));
    }
    let key = Line::styled(" q ends ", Style::new().add_modifier(Modifier::DIM));
    let key_width = u16::try_from(key.width()).unwrap_or(u16::MAX);
    let [left, right] = Layout::horizontal([Constraint::Min(0), Constraint::Length(key_width)]).areas(area);
    let more = [
        format!("  {:.1} x real time", frame.speed),
        format!("  {:.0} MIPS", frame.mips),
        format!("  {} instructions", grouped(frame.instructions)),
    ];
    let mut room = usize::from(left.width).saturating_sub(spans.iter().map(Span::width).sum());
    // Half a number is worse than none.
    for part in more {
        let Some(less) = room.checked_sub(part.len()) else { break };
        room = less;
        spans.push(Span::raw(part));
    }
    to.render_widget(Paragraph::new(Line::from(spans)), left);
    to.render_widget(Paragraph::new(key), right);
}

fn draw_led(to: &mut Target<'_>, area: Rect, frame: &Frame) {
    // Firmware lights the LED at about a third of full, which looks bright on the desk and dark on a screen.
    let part =
        |thousandths: u16| u8::try_from((u32::from(thousandths) * 255 * 5 / 2 / 1000).min(255)).unwrap_or(u8::MAX);
    let colour = Color::Rgb(part(frame.led.red), part(frame.led.green), part(frame.led.blue));
    let lit = Span::styled("      ", Style::new().bg(colour));
    let d7 = if frame.d7 { Span::styled(" D7 ", Style::new().bg(Color::Blue)) } else { Span::raw(" D7 ") };
    let lines = vec![
        Line::from(vec![lit.clone(), Span::raw(format!(" {}", frame.led_text))]),
        Line::from(vec![lit, d7, Span::raw(frame.led_meaning.unwrap_or("").to_owned())]),
    ];
    block(to, area, "LED", lines);
}

/// As many stages as fit, so that the newest one that was reached and the next are among them.
fn around_the_newest_stage(frame: &Frame, rows: u16) -> Vec<Line<'static>> {
    let lines = stage_lines(frame);
    let reached = frame.stages.iter().rposition(|(_, at)| at.is_some()).map_or(0, |at| at + 1);
    let rows = usize::from(rows).max(1);
    let start = (reached + 1).saturating_sub(rows).min(lines.len().saturating_sub(rows));
    lines.into_iter().skip(start).take(rows).collect()
}

fn stage_lines(frame: &Frame) -> Vec<Line<'static>> {
    let line = |(name, at): &(&'static str, Option<String>)| match at {
        Some(at) => Line::styled(format!("✔ {name:<16} {at:>10} s"), Style::new().fg(Color::Green)),
        None => Line::styled(format!("· {name}"), Style::new().add_modifier(Modifier::DIM)),
    };
    frame.stages.iter().map(line).collect()
}

fn task_lines(frame: &Frame, width: u16) -> Vec<Line<'static>> {
    let Some(tasks) = &frame.tasks else { return vec![Line::raw("unknown: no RTOS recognised yet")] };
    // The stack pointer is the column that is missed least.
    let has_pointer = width >= 60;
    let pointer = |text: String| if has_pointer { format!(" {text:>10}") } else { String::new() };
    let mut lines = vec![Line::styled(
        format!(
            "{:<15} {:>4} {:<9}{} {:>6} {:>6}",
            "name",
            "prio",
            "state",
            pointer("SP".to_owned()),
            "free",
            "unused"
        ),
        Style::new().add_modifier(Modifier::DIM),
    )];
    for task in tasks {
        let state = format!("{:?}", task.state).to_lowercase();
        let unused = task.never_used_bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
        let text = format!(
            "{:<15} {:>4} {state:<9}{} {:>6} {unused:>6}",
            task.name,
            task.priority,
            pointer(format!("{:#010x}", task.stack_pointer)),
            task.free_bytes
        );
        // Few bytes left: the next deep call may overflow.
        let style = match task.never_used_bytes {
            _ if task.free_bytes < 0 => Style::new().fg(Color::Red),
            Some(0..64) => Style::new().fg(Color::Yellow),
            _ if task.state == lockstep::rtos::TaskState::Running => Style::new().add_modifier(Modifier::BOLD),
            _ => Style::new(),
        };
        lines.push(Line::styled(text, style));
    }
    lines
}

fn block(to: &mut Target<'_>, area: Rect, title: &'static str, lines: Vec<Line<'static>>) {
    to.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), area);
}

/// The newest lines that fit.
fn tail(to: &mut Target<'_>, area: Rect, title: &'static str, lines: &[String]) {
    let height = usize::from(area.height.saturating_sub(2));
    let newest = lines.get(lines.len().saturating_sub(height)..).unwrap_or_default();
    block(to, area, title, newest.iter().map(|line| Line::raw(line.clone())).collect());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::frame::Modem;
    use crate::view::update::{Update, UpdateEnd};
    use lockstep::electron::PacketCounts;
    use lockstep::rtos::{Task, TaskState};
    use lockstep::setup::options::STAGES;
    use lockstep_modem::network::{Endpoint, Protocol, TcpState};
    use lockstep_modem::{PowerState, RegistrationStatus, SocketView};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn screen(frame: &Frame, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|to| draw(to, frame)).unwrap();
        terminal.backend().to_string()
    }

    /// A device with a socket of each kind, in the middle of an update.
    fn busy() -> Frame {
        let socket = |handle, protocol, tcp_state, remote: Option<Endpoint>, pending_bytes| SocketView {
            handle,
            protocol,
            local_port: 49_152 + handle as u16,
            remote,
            tcp_state,
            pending_bytes,
            pending_datagrams: 0,
            sent_bytes: 12_345,
            received_bytes: 1_234_567,
            lost_bytes: 0,
        };
        let at = |address: [u8; 4], port| Some(Endpoint { address: address.into(), port });
        let reached = STAGES.len() - 2;
        Frame {
            title: "firmware 2.2.0".to_owned(),
            time_ps: 37_250_000_000_000,
            speed: 12.3,
            mips: 45.0,
            instructions: 1_234_567_890,
            core: Some("asleep"),
            led_text: "breathing cyan".to_owned(),
            led_meaning: Some("connected to the cloud"),
            d7: true,
            stages: STAGES
                .iter()
                .enumerate()
                .map(|(n, (name, _))| (*name, (n < reached).then(|| format!("{n}.200000"))))
                .collect(),
            tasks: Some(
                (0..4)
                    .map(|n| Task {
                        name: format!("thread {n}"),
                        tcb: 0,
                        priority: n,
                        state: TaskState::Blocked,
                        stack_pointer: 0x2000_1000,
                        waits_for: None,
                        stack_base: 0x2000_0000,
                        stack_limit: 0x2000_1800,
                        free_bytes: 2_048,
                        never_used_bytes: Some(1_024),
                    })
                    .collect(),
            ),
            modem: Modem {
                power: PowerState::On,
                registration: (RegistrationStatus::Home, RegistrationStatus::Roaming),
                operator: "AT&T".to_owned(),
                signal: 18,
                address: Some([10, 171, 4, 7].into()),
                baud_hz: 115_200,
                cts: true,
                packets: PacketCounts { sent: 1_234, received: 1_200, lost: 34 },
                socket_limit_bytes: 16_384,
            },
            sockets: vec![
                socket(0, Protocol::Udp, TcpState::Closed, None, 0),
                socket(1, Protocol::Tcp, TcpState::Established, at([192, 0, 2, 10], 1883), 512),
                socket(2, Protocol::Tcp, TcpState::SynSent, at([198, 51, 100, 200], 65_535), 16_384),
            ],
            update: Some(Update { bytes: 131_072, chunks: 256, sent: 128, again: 3, fast: Some(true), end: None }),
            modem_lines: (0..100).map(|n| format!(" 37.2{n:02}000 modem  -> AT+USORD=0,{n}")).collect(),
            other_lines: (0..100).map(|n| format!(" 37.2{n:02}000 USART1    line {n}")).collect(),
            ..Frame::default()
        }
    }

    /// The screen is the one that somebody looked at. With `LOCKSTEP_RENEW_SCREENS` set, the new one is written.
    fn is_as_seen(width: u16, height: u16) {
        let path = format!("{}/src/view/screens/{width}x{height}.txt", env!("CARGO_MANIFEST_DIR"));
        let now = screen(&busy(), width, height);
        if std::env::var_os("LOCKSTEP_RENEW_SCREENS").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        let seen = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(now == seen, "{path} is not what is drawn now:\n{now}");
    }

    #[test]
    fn a_small_terminal_shows_what_matters() {
        is_as_seen(80, 24);
    }

    #[test]
    fn a_large_terminal_shows_everything() {
        is_as_seen(160, 50);
    }

    #[test]
    fn a_narrower_one_keeps_the_sockets_whole() {
        is_as_seen(120, 40);
    }

    #[test]
    fn what_is_not_known_is_said_and_old_lines_scroll_away() {
        let frame = Frame { tasks: None, sockets: Vec::new(), modem: Modem::default(), ..busy() };
        let text = screen(&frame, 160, 50);
        assert!(text.contains("unknown: no RTOS") && text.contains("none open") && text.contains("unknown"), "{text}");
        assert!(text.contains("line 99") && !text.contains("line 10"), "{text}");
    }

    #[test]
    fn colours_say_what_is_wrong() {
        let colour_of = |frame: &Frame, what: &str| {
            let mut terminal = Terminal::new(TestBackend::new(160, 50)).unwrap();
            terminal.draw(|to| draw(to, frame)).unwrap();
            let buffer = terminal.backend().buffer();
            let row = |y| (0..160).map(|x| buffer[(x, y)].symbol()).collect::<String>();
            let (x, y) = (0..50).find_map(|y| row(y).find(what).map(|at| (row(y)[..at].chars().count(), y))).unwrap();
            buffer[(u16::try_from(x).unwrap(), y)].fg
        };
        let mut frame = busy();
        assert_eq!(colour_of(&frame, "established"), Color::Green);
        assert_eq!(colour_of(&frame, "connecting"), Color::Yellow);
        assert_eq!(colour_of(&frame, "16384/16384"), Color::Yellow, "full");
        frame.sockets[2].lost_bytes = 5;
        frame.modem.registration.0 = RegistrationStatus::Denied;
        frame.update.as_mut().unwrap().end = Some(UpdateEnd::Failed("no answer".to_owned()));
        frame.faults = 1;
        for what in ["16384/16384!", "denied", "OTA", "1 FAULTS"] {
            assert_eq!(colour_of(&frame, what), Color::Red, "{what}");
        }
    }

    #[test]
    fn a_frame_leaves_nothing_of_the_one_before() {
        let frame = |title: &str, time_ps, mips| Frame { title: title.to_owned(), time_ps, mips, ..Frame::default() };
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        terminal.draw(|to| draw(to, &frame("a", 10_000_000_000, 1234.0))).unwrap();
        let later = frame("firmware 2.2.0", 7_250_000_000_000, 3.0);
        terminal.draw(|to| draw(to, &later)).unwrap();
        assert_eq!(terminal.backend().to_string(), screen(&later, 120, 40));
    }

    #[test]
    fn no_size_of_the_terminal_panics() {
        let frame = Frame { modem_lines: vec!["x".repeat(500)], ..Frame::default() };
        for (width, height) in [(1, 1), (2, 3), (10, 5), (80, 24), (300, 90)] {
            let _ = screen(&frame, width, height);
        }
    }
}
