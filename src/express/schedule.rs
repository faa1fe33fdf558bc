//! Schedules, and the scalars that a training step is fed.

use crate::genome::{Schedule, Training};

/// Decay of the first moment of Adam and AdamW.
pub const BETA1: f32 = 0.9;

/// Share of [`Schedule::WarmupCosine`] that is warm-up.
const WARMUP: f64 = 0.05;
/// Share of [`Schedule::OneCycle`] that rises.
const RISE: f64 = 0.3;
/// Start of [`Schedule::WarmupCosine`] and [`Schedule::OneCycle`] as a share of the peak: at 0 a step would be for nothing.
const START: f64 = 1.0 / 25.0;

/// Learning rate after the share `progress` (0 to 1) of a training.
pub fn learning_rate(training: &Training, progress: f64) -> f32 {
    let fall = |p: f64| 0.5 * (1.0 + (std::f64::consts::PI * p.clamp(0.0, 1.0)).cos());
    let factor = match training.schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine => fall(progress),
        Schedule::WarmupCosine if progress < WARMUP => START + (1.0 - START) * progress / WARMUP,
        Schedule::WarmupCosine => fall((progress - WARMUP) / (1.0 - WARMUP)),
        Schedule::OneCycle if progress < RISE => START + (1.0 - START) * progress / RISE,
        Schedule::OneCycle => fall((progress - RISE) / (1.0 - RISE)),
    };
    (f64::from(training.learning_rate) * factor) as f32
}

/// Corrections for the start of Adam's moments at zero: `1/(1 − βᵗ)` for both.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    beta2: f64,
    power1: f64,
    power2: f64,
}

impl Moments {
    /// Before the first step.
    pub fn new(beta2: f32) -> Self {
        Moments { beta2: f64::from(beta2), power1: 1.0, power2: 1.0 }
    }

    /// Moves on to the next step and returns its corrections.
    pub fn advance(&mut self) -> (f32, f32) {
        self.power1 *= f64::from(BETA1);
        self.power2 *= self.beta2;
        ((1.0 / (1.0 - self.power1)) as f32, (1.0 / (1.0 - self.power2)) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Domain, InputDomain, SearchSpace};

    #[test]
    fn no_step_is_for_nothing_and_the_peak_is_reached() {
        let input = InputDomain::Table { knots: vec![8], slots: vec![] };
        let space = SearchSpace::preset(&Domain { input, outputs: 1, classification: false, rows: 100 });
        let seed = space.seeds()[0].training;
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::WarmupCosine, Schedule::OneCycle] {
            let training = Training { schedule, learning_rate: 0.01, ..seed };
            let rates: Vec<f32> = (0..1_000).map(|step| learning_rate(&training, f64::from(step) / 1_000.0)).collect();
            assert!(rates.iter().all(|&rate| rate > 0.0 && rate <= 0.01), "{schedule:?}");
            assert!(rates.iter().any(|&rate| rate > 0.00999), "{schedule:?}");
            assert!(rates.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.01 / 30.0), "{schedule:?}: no jumps");
        }
    }
}
