//! Plots as SVG: scales, axes, frame.

use super::{escape, format::short};
use std::fmt::Write;

/// Width of a plot; pages scale it.
pub(super) const WIDTH: f64 = 520.0;
/// Height of a plot.
pub(super) const HEIGHT: f64 = 320.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// A range of values along an axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// A linear scale over the values, with a margin.
    pub(super) fn linear(values: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = bounds(values);
        let margin = if high > low { (high - low) * 0.05 } else { low.abs().max(1.0) * 0.1 };
        Scale { low: low - margin, high: high + margin, log: false }
    }

    /// A linear scale from zero.
    pub(super) fn from_zero(values: impl Iterator<Item = f64>) -> Scale {
        let high = bounds(values).1;
        Scale { low: 0.0, high: if high > 0.0 { high * 1.03 } else { 1.0 }, log: false }
    }

    /// A logarithmic scale over values above zero.
    pub(super) fn log(values: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = bounds(values.filter(|value| *value > 0.0));
        let low = if low > 0.0 { low } else { high };
        Scale { low: low / 1.25, high: high * 1.25, log: true }
    }

    /// Place of a value between 0 and 1; values outside are put at the edge.
    fn place(self, value: f64) -> f64 {
        let (low, high, value) = if self.log {
            (self.low.ln(), self.high.ln(), value.max(f64::MIN_POSITIVE).ln())
        } else {
            (self.low, self.high, value)
        };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Round values along the axis.
    fn ticks(self) -> Vec<f64> {
        if self.log {
            let all = (-3..13).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
            let inside: Vec<f64> = all.filter(|tick| (self.low..=self.high).contains(tick)).collect();
            let every = inside.len().div_ceil(6).max(1);
            return inside.into_iter().step_by(every).collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.low / step).ceil();
        (0..12).map(|n| (first + f64::from(n)) * step).take_while(|tick| *tick <= self.high).collect()
    }

    /// Label of a tick, with as many digits as its neighbours need.
    fn label(self, tick: f64) -> String {
        let span = self.high - self.low;
        match tick.abs() {
            t if self.log && t < 1.0 => format!("{:.3}", tick).trim_end_matches('0').to_owned(),
            _ if self.log => short(tick),
            t if t >= 10_000.0 => short(tick),
            _ if span < 0.02 => format!("{tick:.4}"),
            _ if span < 0.2 => format!("{tick:.3}"),
            _ if span < 3.0 => format!("{tick:.2}"),
            _ => format!("{}", (tick * 100.0).round() / 100.0),
        }
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let found = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if found.0 <= found.1 { found } else { (0.0, 1.0) }
}

/// A plot under construction.
pub(super) struct Plot {
    x: Scale,
    y: Scale,
    body: String,
}

impl Plot {
    /// A frame with axes and their names.
    pub(super) fn new(x: Scale, y: Scale, x_name: &str, y_name: &str) -> Plot {
        let mut plot = Plot { x, y, body: String::new() };
        for tick in x.ticks() {
            let at = plot.left(tick);
            let (top, bottom) = (TOP, HEIGHT - BOTTOM);
            plot.push(&format!(r#"<line class="grid" x1="{at:.1}" y1="{top}" x2="{at:.1}" y2="{bottom}"/>"#));
            plot.text(at, bottom + 16.0, "middle", &x.label(tick));
        }
        for tick in y.ticks() {
            let at = plot.top(tick);
            let right = WIDTH - RIGHT;
            plot.push(&format!(r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{right}" y2="{at:.1}"/>"#));
            plot.text(LEFT - 6.0, at + 4.0, "end", &y.label(tick));
        }
        plot.text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6.0, "middle", x_name);
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        plot.push(&format!(
            r#"<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{}</text>"#,
            escape(y_name)
        ));
        plot
    }

    fn left(&self, x: f64) -> f64 {
        LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT)
    }

    fn top(&self, y: f64) -> f64 {
        TOP + (1.0 - self.y.place(y)) * (HEIGHT - TOP - BOTTOM)
    }

    fn push(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        self.push(&format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escape(text)));
    }

    /// A dot with a text that shows when it is pointed at.
    pub(super) fn dot(&mut self, x: f64, y: f64, radius: f64, class: &str, title: &str) {
        let (x, y) = (self.left(x), self.top(y));
        self.push(&format!(
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius}"><title>{}</title></circle>"#,
            escape(title)
        ));
    }

    /// A line through points.
    pub(super) fn line(&mut self, points: impl Iterator<Item = (f64, f64)>, class: &str) {
        let mut path = String::new();
        for (index, (x, y)) in points.enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            // Writing into a string cannot fail.
            let _ = write!(path, "{command}{:.1} {:.1}", self.left(x), self.top(y));
        }
        self.push(&format!(r#"<path class="{class}" d="{path}"/>"#));
    }

    /// A level line across the plot with its name.
    pub(super) fn level(&mut self, y: f64, name: &str) {
        let at = self.top(y);
        let right = WIDTH - RIGHT;
        self.push(&format!(r#"<line class="level" x1="{LEFT}" y1="{at:.1}" x2="{right}" y2="{at:.1}"/>"#));
        self.text(right - 4.0, if at < TOP + 16.0 { at + 14.0 } else { at - 5.0 }, "end", name);
    }

    /// The finished element.
    pub(super) fn finish(self, title: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
            escape(title),
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_place_and_tick() {
        let linear = Scale::linear([0.0, 10.0].into_iter());
        assert_eq!(linear.ticks(), [0.0, 2.5, 5.0, 7.5, 10.0]);
        assert!((linear.place(5.0) - 0.5).abs() < 1e-12);
        let log = Scale::log([10.0, 1000.0].into_iter());
        assert!((log.place(100.0) - 0.5).abs() < 1e-12);
        assert!(log.ticks().contains(&100.0) || log.ticks().contains(&50.0), "{:?}", log.ticks());
        assert_eq!([0.02, 0.5, 1.0, 200.0].map(|tick| log.label(tick)), ["0.02", "0.5", "1", "200"]);
        for odd in [Scale::linear([3.0].into_iter()), Scale::linear([].into_iter()), Scale::log([].into_iter())] {
            assert!(odd.place(3.0).is_finite() && odd.ticks().len() < 20);
        }
    }
}
