use super::synthetic::*;
use super::*;
use std::collections::BTreeMap;
fn go(name: &str, settings: &Settings, count: u64, label: &str) {
    let mut q = vec![];
    let mut best = vec![];
    let mut arms: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let t = std::time::Instant::now();
    let mut ex = 0;
    for seed in 300..340 {
        let mut s = Search::new(
            strategy::find(name).unwrap(),
            &Settings { expected_candidates: Some(count), ..settings.clone() },
            table(),
            seed,
            8,
        )
        .unwrap();
        let mut w = World::default();
        let mut top = f64::MIN;
        let ps = run(&mut s, 8, count, |n, p| {
            let arm = p.origin.arm.clone();
            let e = w.evaluate(n, p);
            let a = arms.entry(arm).or_default();
            a.0 += 1;
            if e.score.unwrap() > top {
                top = e.score.unwrap();
                a.1 += 1
            }
            e
        })
        .unwrap();
        ex += w.examples;
        let f = s.finalists(2);
        q.push(f.iter().map(|&n| quality(&ps[n as usize].genome)).fold(f64::MIN, f64::max));
        best.push(top);
    }
    q.sort_by(f64::total_cmp);
    best.sort_by(f64::total_cmp);
    println!(
        "{label:24} {name:7} {count:5} q10 {:.3} med {:.3} q90 {:.3} best {:.3} len {:.2} us/cand {:.0} {:?}",
        q[4],
        q[20],
        q[36],
        best[20],
        ex as f64 / 40. / count as f64 / 10000.,
        t.elapsed().as_secs_f64() * 1e6 / 40. / count as f64,
        arms
    );
}
#[test]
#[ignore]
fn tune() {
    for count in [20, 40, 100, 300, 1000] {
        go("random", &Settings::default(), count, "");
        let d = Settings::default();
        go("ga", &d, count, "default");
        go("ga", &Settings { population: 32, ..d.clone() }, count, "population 32");
        go("ga", &Settings { niche_capacity: 2, ..d.clone() }, count, "niche cap 2");
        go("ga", &Settings { niche_capacity: 100, ..d.clone() }, count, "niche cap inf");
        go("ga", &Settings { arm_floor: 0.1, ..d.clone() }, count, "floor 0.1");
    }
}
