//! Stopping on request: ctrl-c, SIGTERM and SIGHUP set a flag that the study looks at.

use super::{Failure, Status};
use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
};

static STOP: AtomicBool = AtomicBool::new(false);

/// Installs the handler and returns the flag that it sets. A second signal ends the process at once: the journal is
/// whole at any moment. Under `nohup`, by which SIGHUP is ignored, it stays so.
///
/// # Errors
/// Where the system refuses the handler.
pub fn stop_flag() -> Result<&'static AtomicBool, Failure> {
    let handler = || {
        if STOP.swap(true, Ordering::SeqCst) {
            process::exit(Status::Interrupted as i32);
        }
    };
    let survives = hang_up::is_ignored();
    let installed = match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(&STOP),
        Err(error) => Err(Failure::failed(format!("cannot listen for ctrl-c: {error}"))),
    };
    if survives {
        hang_up::ignore();
    }
    installed
}

/// SIGHUP, which a terminal sends when it goes.
#[cfg(unix)]
mod hang_up {
    /// Whether the process was started so that it is ignored.
    pub fn is_ignored() -> bool {
        // SAFETY: all zeros are a value of this type, and with no new action only the old one is written.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
        }
    }

    pub fn ignore() {
        // SAFETY: no handler is given that could run.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
}

#[cfg(not(unix))]
mod hang_up {
    pub fn is_ignored() -> bool {
        false
    }

    pub fn ignore() {}
}
