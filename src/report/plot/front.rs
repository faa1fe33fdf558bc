//! The front: the metric against the first objective.

use super::{Digest, Input, Section, error, error_name};
use crate::report::{
    Front, escape, number, quantity,
    svg::{Plot, Scale},
};
use crate::study::{Candidate, Objective, Outcome, Record, objective::Unit};

pub(super) static SECTION: Section = Section {
    title: "The front",
    note: "Every candidate as error against the first objective, coloured by the arm that proposed it; left and low is better. \
           The filled dots are the exported networks, of which none is beaten by another in all objectives at once.",
    draw,
};

fn draw(input: &Input, digest: &Digest) -> Option<String> {
    let front = input.front.as_ref()?;
    let objective = *front.objectives.first()?;
    let candidates: Vec<Dot<'_>> = candidates(input, digest, objective).collect();
    let worst = super::quantile(candidates.iter().map(|dot| dot.error).collect(), 0.95)?;
    let members: Vec<(f64, f64)> = front
        .members
        .iter()
        .filter_map(|member| Some((*member.objectives.get(objective.entry().name)?, error(input, member.value))))
        .collect();
    let shown = candidates.iter().map(|dot| dot.error).filter(|error| *error <= worst);
    let y = Scale::linear(shown.chain(members.iter().map(|(_, error)| *error)));
    let x = Scale::log(candidates.iter().map(|dot| dot.cost).chain(members.iter().map(|(cost, _)| *cost)));
    let mut plot = Plot::new(x, y, &axis_name(objective), &error_name(input));
    for Dot { candidate, arm, cost, error } in candidates {
        let title = format!("candidate {}: {}", candidate.number, quantity(objective.entry().unit, cost));
        plot.dot(cost, error, 2.5, &format!("arm{}", arm % 8), &title);
    }
    plot.line(steps(members.clone()).into_iter(), "best");
    for (member, (cost, error)) in front.members.iter().zip(members) {
        plot.dot(cost, error, 5.0, "winner", &format!("{}: {} {}", member.file, input.metric.name, number(member.value)));
    }
    Some(plot.finish(SECTION.title) + &super::legend(digest) + &table(input, front))
}

/// A scored candidate in the plot.
struct Dot<'a> {
    candidate: &'a Candidate,
    arm: usize,
    cost: f64,
    error: f64,
}

fn candidates<'a>(input: &'a Input, digest: &'a Digest, objective: Objective) -> impl Iterator<Item = Dot<'a>> {
    input.records.iter().filter_map(move |record| {
        let Record::Candidate(candidate) = record else { return None };
        let Outcome::Scored { scores, .. } = &candidate.outcome else { return None };
        let cost = candidate.outcome.objective(objective.entry().name)?;
        let error = error(input, *scores.get(input.metric.name)?);
        let arm = digest.arms.iter().position(|arm| *arm == candidate.proposal.origin.arm)?;
        Some(Dot { candidate, arm, cost, error })
    })
}

/// Corners of the line below which no member lies.
fn steps(mut members: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    members.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for (cost, error) in members {
        match corners.last().copied() {
            Some((_, before)) if before <= error => {}
            Some((_, before)) => corners.extend([(cost, before), (cost, error)]),
            None => corners.push((cost, error)),
        }
    }
    corners
}

fn axis_name(objective: Objective) -> String {
    match objective.entry().unit {
        Unit::Count => objective.to_string(),
        Unit::Bytes => format!("{objective}, bytes"),
        Unit::Milliseconds => format!("{objective}, ms"),
    }
}

/// The exported networks with all that was weighed.
fn table(input: &Input, front: &Front) -> String {
    let cell = |text: String| format!("<td>{}</td>", escape(&text));
    let names: Vec<String> = front.objectives.iter().map(|objective| cell(objective.to_string())).collect();
    let mut text =
        format!("<table class=\"pairs\"><tr><th>file</th>{}{}</tr>\n", cell(input.metric.name.to_owned()), names.concat());
    for member in &front.members {
        let value = |objective: &Objective| {
            let entry = objective.entry();
            member.objectives.get(entry.name).map_or_else(String::new, |&value| quantity(entry.unit, value))
        };
        let values: Vec<String> = front.objectives.iter().map(|objective| cell(value(objective))).collect();
        text += &format!("<tr><th>{}</th>{}{}</tr>\n", escape(&member.file), cell(number(member.value)), values.concat());
    }
    text += "</table>\n";
    if let Some(volume) = front.hypervolume(input) {
        text += &format!(
            "<p class=\"note\">Hypervolume {} of 1, from the simplest baseline and the costliest candidate to the ideal.</p>\n",
            number(volume.share)
        );
    }
    text
}
