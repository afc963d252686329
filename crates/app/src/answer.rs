//! A command's answer on standard output.
//!
//! The reader may close the pipe early, as `head` does: the rest is dropped, and the exit code is that of the result.
//! An answer lost for another reason (a full disk) is a failure.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

static LOST: AtomicBool = AtomicBool::new(false);

/// As `print!`, on an output that may be closed.
macro_rules! say {
    ($($text:tt)*) => { $crate::answer::write(format_args!($($text)*)) };
}

/// As `println!`, on an output that may be closed.
macro_rules! say_line {
    ($($text:tt)*) => { $crate::answer::write(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes the text, for [`say!`] and [`say_line!`].
pub fn write(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        // Reported once.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) => {
            eprintln!("trunkline: the answer cannot be written: {error}");
        }
        _ => {}
    }
}

/// Whether a part of the answer could not be written to an open output.
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}
