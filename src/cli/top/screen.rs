//! The screen of `top`, drawn for terminals from 40 columns and 12 lines on. What does not fit is left out from the right
//! and from below; the last line always names the keys.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, RenderDirection, Row, Sparkline, Table, TableState};

use super::super::daemon::status_lines;
use super::super::modem_view::{ago, fault, network, wrapped};
use super::super::output::{Format, clean, colour};
use super::rates::Count;
use super::view::{Shown, View};
use super::waiting::Waits;
use crate::api::wire;
use crate::clock::Timestamp;

const KEYS: &str = "↑↓ modem  p pause/resume  r reset  t trace  y confirm  q quit";
const KEYS_IN_SHORT: &str = "↑↓ p pause r reset t trace y yes q quit";
const KEYS_OF_QUESTION: &str = "y confirm  any other key: leave it  q quit";
const KEYS_OF_TRACE: &str = "↑↓ PgUp PgDn scroll  Esc back  q quit";
/// From this width on, the last fault of each modem has a column.
const WIDE: u16 = 120;
/// Below this width, the network and counts that matter less have none.
const NARROW: u16 = 72;
/// From this height on, sparklines are two lines high.
const HIGH: u16 = 40;
/// Below this height there are only modems and events.
const LOW: u16 = 14;

/// Draws everything. `now` and `wall` are one instant by both clocks.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View, now: Instant, wall: Timestamp) {
    let area = frame.area();
    let status = status(view, area.width);
    let [head, body, note, keys] = Layout::vertical([
        Constraint::Length(status.len().try_into().unwrap_or(u16::MAX)),
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let named = match (&view.question, &view.trace) {
        (Some(_), _) => KEYS_OF_QUESTION,
        (None, Some(_)) => KEYS_OF_TRACE,
        _ if area.width < NARROW => KEYS_IN_SHORT,
        _ => KEYS,
    };
    frame.render_widget(Paragraph::new(status), head);
    frame.render_widget(Line::styled(view.line(), Modifier::BOLD), note);
    frame.render_widget(Line::styled(named, dim(view.format)), keys);
    match &view.trace {
        Some(shown) => trace(frame, shown, body),
        None => rooms(frame, view, body, now, wall),
    }
}

/// The daemon at a glance, a line each, wrapped.
fn status(view: &View, width: u16) -> Vec<Line<'static>> {
    let text = view.status.as_ref().map(|s| status_lines(s, Format::Plain)).unwrap_or_default();
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        // The version and how long it runs, the queue, the modems; then what is wrong.
        let style = match n {
            0 => Style::from(Modifier::BOLD),
            3.. => coloured(view.format, 33),
            _ => Style::new(),
        };
        // The gaps between the words stay.
        if line.chars().count() <= usize::from(width) {
            lines.push(Line::styled(line.to_owned(), style));
        } else {
            let wrapped = wrapped(line, "", "  ", width.into());
            lines.extend(wrapped.lines().map(|line| Line::styled(line.to_owned(), style)));
        }
    }
    lines
}

/// The rates, the modems, what waits longest, and what happened.
fn rooms(frame: &mut Frame<'_>, view: &mut View, area: Rect, now: Instant, wall: Timestamp) {
    let advice = advice(view, area.width, wall);
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let rates_height = match area.height {
        ..LOW => 0,
        LOW..HIGH => 4,
        HIGH.. => 7,
    };
    // A title and the names of the columns stand above each table.
    let rows = |n: usize, most: u16| count(n).saturating_add(2).min(most).max(3);
    let modems_height = rows(view.modems.len(), area.height / 3);
    let waiting_height = if area.height < LOW { 0 } else { rows(view.waiting.count(), area.height / 4 + 1) };
    let [rates_area, modems_area, advice_area, waiting_area, events_area] = Layout::vertical([
        Constraint::Length(rates_height),
        Constraint::Length(modems_height),
        Constraint::Length(count(advice.len())),
        Constraint::Length(waiting_height),
        Constraint::Min(2),
    ])
    .areas(area);
    rates(frame, view, rates_area, now);
    modems(frame, view, modems_area, wall);
    frame.render_widget(Paragraph::new(advice), advice_area);
    waiting(frame, view, waiting_area, wall);
    events(frame, view, events_area);
}

fn rates(frame: &mut Frame<'_>, view: &mut View, area: Rect, now: Instant) {
    let [title, a, b, c] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Fill(1),
    ])
    .areas(area);
    heading(frame, "MESSAGES A MINUTE", view.format, title);
    for (count, area) in Count::ALL.into_iter().zip([a, b, c]) {
        let [name, figure, line] =
            Layout::horizontal([Constraint::Length(8), Constraint::Length(8), Constraint::Min(0)])
                .areas(area);
        let rate = format!("{:>6.1}", view.rates.per_minute(count, now));
        frame.render_widget(Line::from(count.word()), name);
        frame.render_widget(Line::from(rate), figure);
        let style = match count {
            Count::Queued => Style::new(),
            Count::Sent | Count::Failed => coloured(view.format, colour(count.word())),
        };
        let sparkline = Sparkline::default()
            .data(view.rates.columns(count, now))
            .direction(RenderDirection::RightToLeft)
            .style(style);
        frame.render_widget(sparkline, line);
    }
}

fn modems(frame: &mut Frame<'_>, view: &View, area: Rect, wall: Timestamp) {
    let [title, area] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    heading(frame, "MODEMS", view.format, title);
    if view.modems.is_empty() {
        return frame.render_widget("no modem is configured: smsotp probe writes a section for one", area);
    }
    let longest = view.modems.iter().map(|m| m.name.chars().count()).max().unwrap_or_default();
    let name = Constraint::Length(u16::try_from(longest).unwrap_or(u16::MAX).min(area.width / 4).max(4));
    let (state, signal, number) = (Constraint::Length(10), Constraint::Length(13), Constraint::Length(7));
    let (head, widths): (&[&str], Vec<Constraint>) = match area.width {
        ..NARROW => (&["NAME", "STATE", "SIGNAL"], vec![name, state, signal]),
        NARROW..WIDE => (
            &["NAME", "STATE", "SIGNAL", "NETWORK", "QUEUE", "SENT", "FAILED"],
            vec![name, state, signal, Constraint::Fill(1), number, number, number],
        ),
        WIDE.. => (
            &["NAME", "STATE", "SIGNAL", "NETWORK", "QUEUE", "SENT", "FAILED", "LAST FAULT"],
            vec![name, state, signal, Constraint::Max(24), number, number, number, Constraint::Fill(1)],
        ),
    };
    let rows = view.modems.iter().map(|m| {
        let mut cells = vec![
            Cell::from(clean(&m.name)),
            Cell::from(Span::styled(clean(&m.state), coloured(view.format, colour(&m.state)))),
            Cell::from(signal_of(m)),
            Cell::from(clean(&network(m))),
        ];
        let counts = [m.queue.to_string(), m.sent_total.to_string(), m.failed_total.to_string()];
        cells.extend(counts.map(Cell::from));
        cells.push(Cell::from(fault(m, wall).unwrap_or_default()));
        cells.truncate(head.len());
        Row::new(cells)
    });
    let table = Table::new(rows, widths)
        .header(Row::new(head.iter().copied()).style(dim(view.format)))
        .row_highlight_style(Modifier::REVERSED)
        .highlight_symbol("> ");
    let mut state = TableState::new().with_selected(view.chosen());
    frame.render_stateful_widget(table, area, &mut state);
}

/// Bars as a telephone shows them, and the figure.
fn signal_of(m: &wire::Modem) -> String {
    let Some(dbm) = m.signal_dbm else { return String::from("-") };
    let bars = match dbm {
        -75.. => "▂▄▆█",
        -85.. => "▂▄▆ ",
        -95.. => "▂▄  ",
        -105.. => "▂   ",
        _ => "    ",
    };
    format!("{bars} {dbm} dBm")
}

/// What is wrong with the chosen modem, which says what to do.
fn advice(view: &View, width: u16, wall: Timestamp) -> Vec<Line<'static>> {
    let Some(modem) = view.modems.get(view.chosen()) else { return Vec::new() };
    let Some(fault) = fault(modem, wall) else { return Vec::new() };
    let style = if matches!(modem.state.as_str(), "ready" | "busy") {
        Style::new()
    } else {
        coloured(view.format, 33)
    };
    let text = wrapped(&fault, "  ! ", "    ", width.into());
    text.lines().take(3).map(|line| Line::styled(line.to_owned(), style)).collect()
}

fn waiting(frame: &mut Frame<'_>, view: &View, area: Rect, wall: Timestamp) {
    let [title, area] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let of = if view.waiting.lacks_some() { ", of the newest ones" } else { "" };
    heading(frame, &format!("WAITING LONGEST{of}"), view.format, title);
    if view.waiting.count() == 0 {
        return frame.render_widget(Line::styled("nothing waits", dim(view.format)), area);
    }
    let row = |(id, m): (&String, &Waits)| {
        let age = m.since.map_or_else(String::new, |since| ago(wall.since(since)).replace(" ago", ""));
        let status = Span::styled(m.status.clone(), coloured(view.format, colour(&m.status)));
        let cells = [age.into(), status, m.to.clone().into(), m.kind.clone().into(), clean(id).into()];
        let cells = cells.into_iter().chain([m.modem.clone().into()]).map(Cell::from);
        Row::new(cells)
    };
    let rows = view.waiting.oldest().take(area.height.into()).map(row);
    let widths = [8, 7, 16, 4, 30].map(Constraint::Length).into_iter().chain([Constraint::Fill(1)]);
    let head = Row::new(["SINCE", "STATUS", "TO", "KIND", "MESSAGE", "MODEM"]).style(dim(view.format));
    frame.render_widget(Table::new(rows, widths).header(head), area);
}

fn events(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let [title, area] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    heading(frame, "EVENTS", view.format, title);
    // What is longer than a line goes on behind the times.
    let text = view.recent.iter().take(area.height.into());
    let text: String = text.map(|line| wrapped(line, "", "         ", area.width.into())).collect();
    let lines = text.lines().map(Line::from);
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

/// The lines of a modem's port, the newest last.
fn trace(frame: &mut Frame<'_>, shown: &Shown, area: Rect) {
    let [title, area] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    frame.render_widget(Line::styled(format!("TRACE OF {}", shown.modem), Modifier::BOLD), title);
    let end = shown.lines.len() - shown.below.min(shown.lines.len());
    let begin = end.saturating_sub(area.height.into());
    let lines = shown.lines[begin..end].iter().map(|line| Line::from(line.as_str()));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

/// A title, and a rule as far as there is room.
fn heading(frame: &mut Frame<'_>, title: &str, format: Format, area: Rect) {
    let rule = "─".repeat(usize::from(area.width).saturating_sub(title.chars().count() + 1));
    let line = Line::from(vec![
        Span::styled(title.to_owned(), Modifier::BOLD),
        Span::from(" "),
        Span::styled(rule, dim(format)),
    ]);
    frame.render_widget(line, area);
}

/// What matters less.
fn dim(format: Format) -> Style {
    coloured(format, 90)
}

/// A colour by its ECMA-48 number, where there are colours.
fn coloured(format: Format, number: u8) -> Style {
    let index = if number >= 90 { number - 90 + 8 } else { number.saturating_sub(30) };
    if format == Format::Coloured { Style::from(Color::Indexed(index)) } else { Style::new() }
}
