//! Prompt files: WAV, mono, 8 kHz, 16-bit PCM or G.711.

pub mod upload;

use crate::g711::Law;
use crate::tone::SAMPLE_RATE;

/// Longest prompt in samples: half an hour.
pub const SAMPLES_MAX: usize = 30 * 60 * SAMPLE_RATE as usize;

/// Why a file cannot be a prompt. Always the fault of the file's author.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WavError {
    /// Not a RIFF file of type WAVE.
    #[error("the file is not a WAV file")]
    NotWav,
    /// A chunk is cut off or missing.
    #[error("the file has no whole {0} chunk")]
    Chunk(&'static str),
    /// The file is not mono at 8000 Hz.
    #[error("the file has {channels} channels at {rate} Hz, not one at 8000 Hz")]
    Shape {
        /// Channels of the file.
        channels: u16,
        /// Samples a second.
        rate: u32,
    },
    /// An encoding other than 16-bit PCM, A-law and µ-law.
    #[error("encoding {tag} with {bits} bits cannot be played")]
    Encoding {
        /// The format tag.
        tag: u16,
        /// Bits of a sample.
        bits: u16,
    },
    /// Longer than [`SAMPLES_MAX`].
    #[error("the file is longer than half an hour")]
    TooLong,
}

#[derive(Clone, Copy)]
enum Coding {
    Linear,
    Companded(Law),
}

/// The samples of a WAV file.
pub fn parse(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    let chunks = match bytes.split_first_chunk::<12>() {
        Some((head, rest)) if head.starts_with(b"RIFF") && head.ends_with(b"WAVE") => rest,
        _ => return Err(WavError::NotWav),
    };
    let coding = coding(chunk(chunks, b"fmt ").ok_or(WavError::Chunk("fmt"))?)?;
    let data = chunk(chunks, b"data").ok_or(WavError::Chunk("data"))?;
    let samples: Vec<i16> = match coding {
        Coding::Linear => data.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect(),
        Coding::Companded(law) => data.iter().map(|code| law.decode(*code)).collect(),
    };
    if samples.len() > SAMPLES_MAX { Err(WavError::TooLong) } else { Ok(samples) }
}

/// Bytes of a file before its samples.
pub const HEAD_BYTES: usize = 44;

/// What a file of 16-bit PCM with so many samples begins with.
pub fn head(samples: usize) -> Vec<u8> {
    let bytes = u32::try_from(samples * 2).unwrap_or(u32::MAX - 36);
    let mut out = Vec::with_capacity(HEAD_BYTES);
    out.extend(b"RIFF");
    out.extend((bytes + 36).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16_u32.to_le_bytes());
    out.extend([1, 0, 1, 0]);
    out.extend(SAMPLE_RATE.to_le_bytes());
    out.extend((SAMPLE_RATE * 2).to_le_bytes());
    out.extend([2, 0, 16, 0]);
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    out
}

/// A WAV file of 16-bit PCM.
pub fn build(samples: &[i16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + samples.len() * 2);
    out.extend(head(samples.len()));
    samples.iter().for_each(|s| out.extend(s.to_le_bytes()));
    out
}

fn coding(format: &[u8]) -> Result<Coding, WavError> {
    let [t0, t1, c0, c1, r0, r1, r2, r3, .., b0, b1] = *format.first_chunk::<16>().ok_or(WavError::Chunk("fmt"))?;
    let (tag, bits) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([b0, b1]));
    let (channels, rate) = (u16::from_le_bytes([c0, c1]), u32::from_le_bytes([r0, r1, r2, r3]));
    if channels != 1 || rate != SAMPLE_RATE {
        return Err(WavError::Shape { channels, rate });
    }
    match (tag, bits) {
        (1, 16) => Ok(Coding::Linear),
        (6, 8) => Ok(Coding::Companded(Law::A)),
        (7, 8) => Ok(Coding::Companded(Law::Mu)),
        _ => Err(WavError::Encoding { tag, bits }),
    }
}

/// The first chunk of that name. The data of a file cut short (or written to a pipe) ends with the file.
fn chunk<'a>(mut rest: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [.., l0, l1, l2, l3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if head.starts_with(name) {
            return after.get(..length).or((name == b"data").then_some(after));
        }
        // Chunks are padded to an even length.
        rest = after.get(length.checked_add(length % 2)?..)?;
    }
    None
}

#[cfg(test)]
mod tests;
