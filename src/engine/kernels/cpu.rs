//! The kinds of CPU that kernels are compiled for, and which of them is at hand.

use std::sync::OnceLock;

/// What a CPU can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cpu {
    /// AVX-512 (F, BW, DQ, VL), AVX2 and FMA.
    Avx512,
    /// AVX2 and FMA.
    Avx2,
    /// What every CPU of the architecture can do.
    Baseline,
}

/// Environment variable that takes a lesser kind of CPU than the one at hand, to test and to measure its kernels.
pub const CPU_VARIABLE: &str = "EVOLVE_CPU";

impl Cpu {
    /// All kinds with the names that [`CPU_VARIABLE`] has for them, the best first.
    const ALL: [(&'static str, Cpu); 3] = [("avx512", Cpu::Avx512), ("avx2", Cpu::Avx2), ("baseline", Cpu::Baseline)];

    /// Whether the CPU at hand can do all of it.
    fn is_there(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Cpu::Avx512 => {
                Cpu::Avx2.is_there()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            Cpu::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Cpu::Baseline => true,
        };
        #[cfg(not(target_arch = "x86_64"))]
        return self == Cpu::Baseline;
    }

    /// The kinds that the CPU at hand can stand for, the best first.
    pub(super) fn available() -> impl Iterator<Item = (&'static str, Cpu)> {
        Cpu::ALL.into_iter().filter(|(_, cpu)| cpu.is_there())
    }
}

/// The best kind that is there, or the one that [`CPU_VARIABLE`] asks for.
///
/// # Errors
/// Where the variable names no kind that is there.
pub(super) fn chosen() -> Result<Cpu, String> {
    static CHOSEN: OnceLock<Result<Cpu, String>> = OnceLock::new();
    let choose = || {
        let Some(name) = std::env::var_os(CPU_VARIABLE).filter(|name| !name.is_empty()) else {
            return Ok(Cpu::available().next().map_or(Cpu::Baseline, |(_, cpu)| cpu));
        };
        let found = Cpu::available().find(|(known, _)| *known == name).map(|(_, cpu)| cpu);
        found.ok_or_else(|| {
            let known: Vec<_> = Cpu::available().map(|(known, _)| known).collect();
            format!("{CPU_VARIABLE} is {}, but this CPU has {}", name.display(), known.join(", "))
        })
    };
    CHOSEN.get_or_init(choose).clone()
}

/// The kind of CPU that kernels run on in this thread.
#[cfg(target_arch = "x86_64")]
pub(super) fn at_hand() -> Cpu {
    #[cfg(test)]
    if let Some(cpu) = tests::FORCED.get() {
        return cpu;
    }
    chosen().unwrap_or(Cpu::Baseline)
}

#[cfg(test)]
pub(super) mod tests {
    use super::Cpu;
    use std::cell::Cell;

    thread_local! {
        pub(super) static FORCED: Cell<Option<Cpu>> = const { Cell::new(None) };
    }

    /// Runs `work` once for each kind that is there, with its name.
    pub(in crate::engine::kernels) fn on_each(mut work: impl FnMut(&str)) {
        for (name, cpu) in Cpu::available() {
            FORCED.set(Some(cpu));
            work(name);
        }
        FORCED.set(None);
    }
}
