//! What each arm of the strategy contributed.

use super::{Digest, Input, Section};
use crate::report::{Contribution, escape, grouped, number};

pub(super) static SECTION: Section = Section {
    title: "What the arms contributed",
    note: "Ways in which the search made candidates. Those that start it have the easiest gains; the first is no gain.",
    draw,
};

fn draw(_: &Input, digest: &Digest) -> Option<String> {
    if digest.contributions.is_empty() {
        return None;
    }
    let head = ["arm", "tried", "failed", "share of examples", "times best", "gain", "gain per share"];
    let head: Vec<String> = head.iter().map(|name| format!("<th>{name}</th>")).collect();
    let rows: Vec<String> = digest.contributions.iter().map(|arm| row(arm, digest)).collect();
    Some(format!(
        "<div class=\"scroll\"><table class=\"arms\"><tr>{}</tr>\n{}</table></div>\n",
        head.concat(),
        rows.concat()
    ))
}

fn row(arm: &Contribution, digest: &Digest) -> String {
    let colour = digest.arms.iter().position(|name| *name == arm.arm).unwrap_or_default() % 8;
    let gain = |gain: f64| if arm.improvements > 0 { number(gain) } else { "–".to_owned() };
    format!(
        "<tr><th><i class=\"arm{colour}\"></i>{}</th><td>{}</td><td>{}</td><td>{:.0}%</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        escape(&arm.arm),
        grouped(arm.candidates),
        grouped(arm.failed),
        arm.share * 100.0,
        grouped(arm.improvements),
        gain(arm.gain),
        gain(arm.gain_per_share)
    )
}
