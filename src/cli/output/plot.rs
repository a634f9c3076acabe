//! A learning curve drawn in the terminal: recall@20 and loss over the epochs, one above the other.
//!
//! Dots are braille where the terminal's locale says UTF-8, two across and four down in each
//! character; elsewhere asterisks, one for each character.

use std::io::{self, Write};

use tastedb::{CurvePoint, LearningCurve};

/// Characters in the height of a plot.
const HEIGHT: usize = 7;
/// Characters in its width, at most and at least; and what the labels at its left take.
const WIDEST: usize = 72;
const NARROWEST: usize = 16;
const LABEL: usize = 8;

/// What a plot is drawn with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    Braille,
    Ascii,
}

impl Style {
    /// What the locale allows, by the variables that rule it.
    fn of(locale: &str) -> Style {
        let locale = locale.to_ascii_lowercase();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        if unicode || cfg!(windows) { Style::Braille } else { Style::Ascii }
    }

    /// Dots of one character: across and down.
    fn dots(self) -> (usize, usize) {
        match self {
            Style::Braille => (2, 4),
            Style::Ascii => (1, 1),
        }
    }

    /// The lines of the frame: a labelled place, the side, the corner, the bottom.
    fn frame(self) -> [char; 4] {
        match self {
            Style::Braille => ['┤', '│', '└', '─'],
            Style::Ascii => ['+', '|', '+', '-'],
        }
    }
}

/// Draws both curves, at most `width` characters wide.
pub(crate) fn write_curve(
    out: &mut dyn Write,
    curve: &LearningCurve,
    width: u16,
) -> io::Result<()> {
    let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
    for line in lines(curve, usize::from(width), Style::of(&locale)) {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn lines(curve: &LearningCurve, width: usize, style: Style) -> Vec<String> {
    let columns = width.saturating_sub(LABEL + 2).clamp(NARROWEST, WIDEST);
    let series = |of: fn(&CurvePoint) -> f64| -> Vec<(f64, f64)> {
        let points = curve.points.iter().map(|point| (point.epoch as f64, of(point)));
        points.filter(|(_, value)| value.is_finite()).collect()
    };
    let best = match curve.best {
        0 => "recall@20; no epoch was better than the start".to_owned(),
        best => format!("recall@20; {:.4} after {best} epochs is kept", curve.reached()),
    };
    let mut lines = plot(&best, &series(|point| point.recall), columns, style);
    lines.extend(plot("loss", &series(|point| point.loss), columns, style));
    lines
}

/// One plot: a title, the dots within a frame, and the first and last epoch below.
fn plot(title: &str, points: &[(f64, f64)], columns: usize, style: Style) -> Vec<String> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let values = points.iter().map(|(_, value)| *value);
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    let cells = canvas(points, columns, [low, high], style);
    let [tick, side, corner, bottom] = style.frame();
    let mut lines = vec![format!("{:LABEL$}  {title}", "")];
    for (at, row) in cells.chunks(columns).enumerate() {
        let (label, edge) = match at {
            0 => (number(high), tick),
            _ if at + 1 == HEIGHT && low < high => (number(low), tick),
            _ => (String::new(), side),
        };
        let row: String = row.iter().collect();
        lines.push(format!("{label:>LABEL$} {edge}{row}").trim_end().to_owned());
    }
    let line: String = std::iter::repeat_n(bottom, columns).collect();
    lines.push(format!("{:LABEL$} {corner}{line}", ""));
    let (from, to) = (first.0.to_string(), format!("{} epochs", last.0));
    let gap = columns.saturating_sub(from.len() + to.len()).max(1);
    lines.push(format!("{:LABEL$}  {from}{:gap$}{to}", "", ""));
    lines
}

/// A number that fits beside the frame.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size < 10.0 => 4,
        size if size < 1000.0 => 2,
        size if size < 1e7 => 0,
        _ => return format!("{value:.1e}"),
    };
    format!("{value:.digits$}")
}

/// The characters of a plot, row after row. Between two points the curve is a straight line.
fn canvas(points: &[(f64, f64)], columns: usize, range: [f64; 2], style: Style) -> Vec<char> {
    let (across, down) = style.dots();
    let (width, height) = (columns * across, HEIGHT * down);
    let mut cells = vec![0u8; columns * HEIGHT];
    let (start, end) = (points[0].0, points[points.len() - 1].0);
    let [low, high] = range;
    let row_of = |value: f64| {
        let share = if high > low { (high - value) / (high - low) } else { 0.0 };
        (share * (height - 1) as f64).round() as usize
    };
    let mut before: Option<usize> = None;
    for x in 0..width {
        let epoch = start + (end - start) * x as f64 / (width - 1).max(1) as f64;
        let y = row_of(value_at(points, epoch));
        // Whatever lies between this column and the one before, so that steep parts have no holes.
        let from = before.map_or(y, |before| if before < y { before + 1 } else { before });
        let reached = if from <= y { from..=y } else { y..=from.saturating_sub(1) };
        for y in reached {
            cells[y / down * columns + x / across] |= dot(x % across, y % down);
        }
        before = Some(y);
        if start == end {
            break;
        }
    }
    let shown = |bits: &u8| match (style, bits) {
        (_, 0) => ' ',
        (Style::Braille, bits) => {
            char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        (Style::Ascii, _) => '*',
    };
    cells.iter().map(shown).collect()
}

/// The bit of a dot within its character, as Unicode numbers them.
fn dot(x: usize, y: usize) -> u8 {
    const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    DOTS[x][y]
}

/// The height of the curve at an epoch.
fn value_at(points: &[(f64, f64)], epoch: f64) -> f64 {
    let after = points.partition_point(|(at, _)| *at < epoch).min(points.len() - 1);
    let (to, value) = points[after];
    let (from, earlier) = points[after.saturating_sub(1)];
    let share = if to > from { ((epoch - from) / (to - from)).clamp(0.0, 1.0) } else { 1.0 };
    earlier + (value - earlier) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> LearningCurve {
        let points = (1..=20u32).map(|at| {
            let epoch = f64::from(at);
            CurvePoint {
                epoch: u64::from(at),
                loss: 1.0 / epoch,
                recall: 0.3 - (epoch - 15.0).powi(2) / 1000.0,
            }
        });
        LearningCurve { points: points.collect(), best: 15 }
    }

    #[test]
    fn both_plots_have_titles_and_labelled_axes() {
        let shown = lines(&curve(), 60, Style::Ascii).join("\n");
        assert!(shown.contains("recall@20; 0.3000 after 15 epochs is kept"), "{shown}");
        assert!(shown.contains("  0.3000 +"), "{shown}");
        assert!(shown.contains("  0.1040 +*"), "{shown}");
        assert!(shown.contains("  1.0000 +*"), "{shown}");
        assert_eq!(shown.matches("20 epochs").count(), 2, "{shown}");
        assert!(shown.is_ascii(), "{shown}");
    }

    #[test]
    fn dots_are_fine_where_the_locale_has_them() {
        let shown = lines(&curve(), 60, Style::of("de_DE.UTF-8"));
        assert!(
            shown[1].contains('⠤') || shown[1].contains('⠒') || shown[1].contains('⠉'),
            "{shown:?}"
        );
        assert!(shown.iter().all(|line| line.chars().count() <= 60), "{shown:?}");
        if !cfg!(windows) {
            assert_eq!(Style::of("C"), Style::Ascii);
        }
    }

    #[test]
    fn every_column_has_a_dot_and_steep_parts_have_no_holes() {
        let steps = [(1.0, 0.0), (2.0, 1.0), (3.0, 0.0)];
        let cells = canvas(&steps, 20, [0.0, 1.0], Style::Ascii);
        for column in 0..20 {
            assert!(cells.iter().skip(column).step_by(20).any(|cell| *cell == '*'), "{column}");
        }
        for row in cells.chunks(20) {
            assert!(row.contains(&'*'), "{cells:?}");
        }
    }

    #[test]
    fn one_point_a_flat_curve_and_none_do_no_harm() {
        let point = |epoch, loss| CurvePoint { epoch, loss, recall: 0.5 };
        let one = LearningCurve { points: vec![point(1, f64::NAN)], best: 1 };
        let shown = lines(&one, 10, Style::Braille);
        assert_eq!(shown.iter().filter(|line| line.contains("epochs")).count(), 2, "{shown:?}");
        let flat = LearningCurve { points: vec![point(1, 2.0), point(9, 2.0)], best: 0 };
        assert!(lines(&flat, 300, Style::Ascii)[1].contains("***"));
        assert!(lines(&LearningCurve::default(), 80, Style::Ascii).is_empty());
    }
}
