//! Stopping on request: ctrl-c, SIGTERM and SIGHUP set a flag that the study looks at.

use super::{Failure, Status};
use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
};

static STOP: AtomicBool = AtomicBool::new(false);

/// Installs the handler and returns the flag that it sets. A second signal ends the process at once: the journal is
/// whole at any moment.
///
/// # Errors
/// Where the system refuses the handler.
pub fn stop_flag() -> Result<&'static AtomicBool, Failure> {
    let handler = || {
        if STOP.swap(true, Ordering::SeqCst) {
            process::exit(Status::Interrupted as i32);
        }
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(&STOP),
        Err(error) => Err(Failure::failed(format!("cannot listen for ctrl-c: {error}"))),
    }
}
