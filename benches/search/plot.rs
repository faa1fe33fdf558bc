//! Curves with bands of error as one SVG picture, both axes logarithmic.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
/// Left, top, right and bottom.
const MARGINS: (f64, f64, f64, f64) = (60.0, 40.0, 130.0, 50.0);
const COLOURS: [&str; 8] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#7f7f7f", "#17becf", "#8c564b"];

/// A curve: its values at 1, 2, … evaluations, and their standard errors.
pub struct Line<'a> {
    /// Name in the legend.
    pub name: &'a str,
    /// Values.
    pub means: &'a [f64],
    /// Standard errors.
    pub errors: &'a [f64],
}

/// Draws curves over evaluations; values below `floor` are drawn there. Bands are two standard errors to each side.
pub fn curves(title: &str, label: &str, lines: &[Line<'_>], floor: f64) -> String {
    let last = lines.iter().map(|line| line.means.len()).max().unwrap_or(1).max(2) as f64;
    let most = lines.iter().flat_map(|line| line.means).copied().fold(10.0 * floor, f64::max);
    let (left, top, right, bottom) = MARGINS;
    let x = |evaluations: f64| left + (WIDTH - left - right) * evaluations.ln() / last.ln();
    let y = |value: f64| {
        let share = (value.max(floor) / floor).ln() / (most / floor).ln();
        HEIGHT - bottom - (HEIGHT - top - bottom) * share
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{left}\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    for tick in ticks(1.0, last) {
        grid(&mut svg, (x(tick), top), (x(tick), HEIGHT - bottom));
        text(&mut svg, (x(tick), HEIGHT - bottom + 18.0), "middle", &tick.to_string());
    }
    for tick in ticks(floor, most) {
        grid(&mut svg, (left, y(tick)), (WIDTH - right, y(tick)));
        text(&mut svg, (left - 6.0, y(tick) + 4.0), "end", &tick.to_string());
    }
    text(&mut svg, ((left + WIDTH - right) / 2.0, HEIGHT - 12.0), "middle", "evaluations");
    text(&mut svg, (left, top - 4.0), "start", label);
    for (index, line) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points = |shift: f64| -> Vec<String> {
            let at = |(i, (mean, error)): (usize, (&f64, &f64))| {
                format!("{:.1},{:.1}", x((i + 1) as f64), y(mean + shift * error))
            };
            line.means.iter().zip(line.errors).enumerate().map(at).collect()
        };
        let (mut band, mut under) = (points(2.0), points(-2.0));
        under.reverse();
        band.append(&mut under);
        // Writing to a String cannot fail.
        let _ = writeln!(svg, "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"0.15\"/>", band.join(" "));
        let path = points(0.0).join(" ");
        let _ = writeln!(svg, "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let at = top + 18.0 * index as f64 + 10.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>",
            WIDTH - right + 12.0,
            at - 6.0
        );
        text(&mut svg, (WIDTH - right + 32.0, at), "start", line.name);
    }
    svg + "</svg>\n"
}

/// 1, 2 and 5 times the powers of ten between two values.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|factor| format!("{factor}e{power}").parse().unwrap_or(low)));
    all.filter(|tick: &f64| (low * 0.999..=high * 1.001).contains(tick)).collect()
}

fn grid(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}
