//! Drawing a frame.

use ratatui::Frame as Target;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::frame::Frame;
use crate::cli::duration::seconds;
use crate::cli::output::grouped;

const LED_HEIGHT: u16 = 4;

/// Draws the whole screen.
pub fn draw(to: &mut Target<'_>, frame: &Frame) {
    let stages_height = u16::try_from(frame.stages.len()).unwrap_or(0).saturating_add(2);
    let [status, upper, lower] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Max(stages_height.saturating_add(LED_HEIGHT)),
        Constraint::Min(6),
    ])
    .areas(to.area());
    let [left, middle, right] =
        Layout::horizontal([Constraint::Length(34), Constraint::Fill(3), Constraint::Fill(2)]).areas(upper);
    let [led, stages] = Layout::vertical([Constraint::Length(LED_HEIGHT), Constraint::Min(3)]).areas(left);
    let [modem, sockets] = Layout::vertical([Constraint::Length(7), Constraint::Min(3)]).areas(right);
    let [traffic, output] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(lower);

    to.render_widget(Paragraph::new(status_line(frame)), status);
    draw_led(to, led, frame);
    block(to, stages, "stages", stage_lines(frame));
    block(to, middle, "threads", task_lines(frame));
    block(to, modem, "modem", frame.modem.iter().map(|line| Line::raw(line.clone())).collect());
    block(to, sockets, "sockets", sockets_lines(frame));
    tail(to, traffic, "AT traffic", &frame.modem_lines);
    tail(to, output, "serial output and events", &frame.other_lines);
}

fn status_line(frame: &Frame) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = vec![
        Span::styled(format!(" {}  ", frame.title), bold),
        Span::styled(format!("{} s", seconds(frame.time_ps)), bold),
        Span::raw(format!(
            "  {:.1} x real time  {:.0} MIPS  {} instructions",
            frame.speed,
            frame.mips,
            grouped(frame.instructions)
        )),
    ];
    if let Some(core) = frame.core {
        spans.push(Span::raw(format!("  core {core}")));
    }
    let warning = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    if frame.faults > 0 {
        spans.push(Span::styled(format!("  {} FAULTS", frame.faults), warning));
    }
    if frame.unmodelled > 0 {
        spans.push(Span::styled(format!("  {} not modelled", frame.unmodelled), Style::new().fg(Color::Yellow)));
    }
    spans.push(Span::styled("  q ends", Style::new().add_modifier(Modifier::DIM)));
    Line::from(spans)
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

fn stage_lines(frame: &Frame) -> Vec<Line<'static>> {
    let line = |(name, at): &(&'static str, Option<String>)| match at {
        Some(at) => Line::styled(format!("✔ {name:<16} {at:>10} s"), Style::new().fg(Color::Green)),
        None => Line::styled(format!("· {name}"), Style::new().add_modifier(Modifier::DIM)),
    };
    frame.stages.iter().map(line).collect()
}

fn task_lines(frame: &Frame) -> Vec<Line<'static>> {
    let Some(tasks) = &frame.tasks else { return vec![Line::raw("unknown: no RTOS recognised yet")] };
    let mut lines = vec![Line::styled(
        format!("{:<16} {:>4} {:<9} {:>10} {:>6} {:>6}", "name", "prio", "state", "SP", "free", "unused"),
        Style::new().add_modifier(Modifier::DIM),
    )];
    for task in tasks {
        let state = format!("{:?}", task.state).to_lowercase();
        let unused = task.never_used_bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
        let text = format!(
            "{:<16} {:>4} {state:<9} {:#010x} {:>6} {unused:>6}",
            task.name, task.priority, task.stack_pointer, task.free_bytes
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

fn sockets_lines(frame: &Frame) -> Vec<Line<'static>> {
    if frame.sockets.is_empty() {
        return vec![Line::raw("none open")];
    }
    frame.sockets.iter().map(|line| Line::raw(line.clone())).collect()
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
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn screen(frame: &Frame, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|to| draw(to, frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_person_sees_time_led_stages_and_the_newest_traffic() {
        let frame = Frame {
            title: "firmware 2.2.0".to_owned(),
            time_ps: 7_250_000_000_000,
            led_text: "blinking green".to_owned(),
            led_meaning: Some("connecting to the network"),
            stages: vec![("registered", Some("7.200000".to_owned())), ("client_hello", None)],
            modem_lines: (0..100).map(|n| format!("line {n}")).collect(),
            ..Frame::default()
        };
        let text = screen(&frame, 120, 40);
        for expected in ["firmware 2.2.0", "7.250000 s", "blinking green", "✔ registered", "· client_hello", "line 99"]
        {
            assert!(text.contains(expected), "no {expected} in\n{text}");
        }
        assert!(!text.contains("line 10 "), "old lines scroll away");
        assert!(text.contains("unknown: no RTOS"), "what is not known is said");
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
