//! The binary `evolve`; everything is in [`evolve::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    evolve::cli::run(std::env::args_os())
}
