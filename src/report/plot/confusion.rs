//! Which classes the exported net takes for which.

use super::{Digest, Input, Section};
use crate::{
    data::{OutputSpec, Targets},
    report::escape,
};

/// Classes that are shown; of more, those that are confused most.
const CLASSES: usize = 20;

pub(super) static SECTION: Section = Section {
    title: "Confusion",
    note: "Rows that the net was not trained on: true class down, predicted class across. Darker is a larger share of the class.",
    draw,
};

fn draw(input: &Input, _: &Digest) -> Option<String> {
    let OutputSpec::Classes { names, .. } = &input.task.output else { return None };
    let Targets::Classes(truth) = &input.targets else { return None };
    let said = input.predictions.labels()?;
    let mut counts = vec![vec![0u64; names.len()]; names.len()];
    for (truth, said) in truth.iter().zip(&said) {
        *counts.get_mut(*truth as usize)?.get_mut(*said as usize)? += 1;
    }
    let shown = most_confused(&counts);
    let head: Vec<String> = shown.iter().map(|&class| format!("<th><span>{}</span></th>", escape(&names[class]))).collect();
    let rows: Vec<String> = shown.iter().map(|&class| row(&names[class], &counts[class], class, &shown)).collect();
    let cut = if shown.len() < names.len() {
        format!("<p class=\"note\">The {CLASSES} of {} classes with the most errors.</p>\n", names.len())
    } else {
        String::new()
    };
    Some(format!(
        "<div class=\"scroll\"><table class=\"confusion\"><tr><th></th>{}</tr>\n{}</table></div>\n{cut}",
        head.concat(),
        rows.concat()
    ))
}

fn row(name: &str, counts: &[u64], truth: usize, shown: &[usize]) -> String {
    let all: u64 = counts.iter().sum();
    let cells: Vec<String> = shown
        .iter()
        .map(|&said| {
            let share = counts[said] as f64 / all.max(1) as f64;
            let class = if said == truth { "hit" } else { "miss" };
            let count = if counts[said] == 0 { String::new() } else { counts[said].to_string() };
            format!("<td class=\"{class}\" style=\"--share:{:.0}%\">{count}</td>", (share.sqrt() * 100.0).min(100.0))
        })
        .collect();
    format!("<tr><th>{}</th>{}</tr>\n", escape(name), cells.concat())
}

/// The classes with the most errors, in their own order.
fn most_confused(counts: &[Vec<u64>]) -> Vec<usize> {
    let errors = |class: usize| -> u64 {
        let missed: u64 = counts[class].iter().sum::<u64>() - counts[class][class];
        let wrongly: u64 = counts.iter().map(|row| row[class]).sum::<u64>() - counts[class][class];
        missed + wrongly
    };
    let mut classes: Vec<usize> = (0..counts.len()).collect();
    classes.sort_by_key(|&class| std::cmp::Reverse(errors(class)));
    classes.truncate(CLASSES);
    classes.sort_unstable();
    classes
}
