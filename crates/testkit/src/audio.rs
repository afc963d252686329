//! Compares sent with received audio, by correlation and not by counting packets.
//!
//! Deliberately independent of the product's media code, so that both cannot share a mistake.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Samples in a second.
pub const RATE: usize = 8_000;

/// The similarity of two recordings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// Samples by which the recording lags behind the sent audio; negative if it starts within it.
    pub delay: isize,
    /// Normalised correlation at this delay: 1 is equal except for loudness, 0 is unrelated.
    pub similarity: f64,
    /// Signal-to-noise ratio in dB at this delay, after matching the loudness.
    pub snr_db: f64,
    /// Number of compared samples.
    pub compared: usize,
}

/// Shortest meaningful overlap: half a second.
const OVERLAP_MIN: usize = RATE / 2;
/// Share of the shorter recording that must be compared.
const OVERLAP_PART: f64 = 0.6;
/// A part with less than this share of the whole's power is silent: the difference of two sums is no more exact.
const SILENT_PART: f64 = 1e-12;
/// The first search uses sums of this many samples, at 1 kHz.
const COARSE: usize = 8;

/// Reads a WAV file of 16-bit PCM, A-law or µ-law; one of several channels, or of a multiple of 8 kHz, as mono of 8 kHz.
pub fn read_wav(path: &Path) -> Result<Vec<i16>> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    parse_wav(&bytes).with_context(|| format!("{} is not a recording of ours", path.display()))
}

/// Writes a WAV file of 16-bit PCM, mono, 8 kHz.
pub fn write_wav(path: &Path, samples: &[i16]) -> Result<()> {
    write_wav_at(RATE, path, samples)
}

/// The same at another rate, a multiple of 8 kHz: each sample stands as often as it takes.
pub fn write_wav_at(rate: usize, path: &Path, samples: &[i16]) -> Result<()> {
    std::fs::write(path, wav_at(rate, samples)?).with_context(|| format!("{} cannot be written", path.display()))
}

/// A WAV file of that rate.
pub fn wav_at(rate: usize, samples: &[i16]) -> Result<Vec<u8>> {
    let samples: Vec<i16> = samples.iter().flat_map(|sample| std::iter::repeat_n(*sample, rate / RATE)).collect();
    let bytes = u32::try_from(samples.len() * 2).context("the recording is too long")?;
    let rate = u32::try_from(rate)?;
    let mut out = Vec::with_capacity(44 + samples.len() * 2);
    out.extend(b"RIFF");
    out.extend((36 + bytes).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend(rate.to_le_bytes());
    out.extend((rate * 2).to_le_bytes());
    out.extend(b"\x02\0\x10\0data");
    out.extend(bytes.to_le_bytes());
    samples.iter().for_each(|s| out.extend(s.to_le_bytes()));
    Ok(out)
}

/// Finds the sent audio in a recording: the delay with the highest similarity, and the similarity there.
///
/// # Errors
/// If either is shorter than half a second or silent.
pub fn compare(sent: &[i16], heard: &[i16]) -> Result<Likeness> {
    ensure!(sent.len() >= OVERLAP_MIN && heard.len() >= OVERLAP_MIN, "less than half a second to compare");
    ensure!(energy(sent) > 0.0 && energy(heard) > 0.0, "one of the two is silent");
    let (rough_sent, rough_heard) = (rough(sent), rough(heard));
    let rough_best = best(&rough_sent, &rough_heard, all_delays(&rough_sent, &rough_heard))
        .context("the two do not overlap enough")?;
    let around = rough_best.delay * COARSE as isize;
    let reach = 2 * COARSE as isize;
    let (sent, heard) = (floats(sent), floats(heard));
    best(&sent, &heard, around - reach..=around + reach).context("the two do not overlap enough")
}

/// How much each half second of what was sent is like a part of what was heard; silent ones are left out.
///
/// A phone on a busy machine leaves out or repeats 10 or 20 ms now and then, after which the whole has no one delay.
pub fn compare_halves_of_seconds(sent: &[i16], heard: &[i16]) -> Vec<f64> {
    sent.chunks_exact(OVERLAP_MIN).filter_map(|piece| Some(compare(piece, heard).ok()?.similarity)).collect()
}

/// Whether most of what was sent is heard, each half second for itself at least this similar: see [`compare_halves_of_seconds`].
pub fn is_mostly_heard(sent: &[i16], heard: &[i16], similarity: f64) -> bool {
    let alike = compare_halves_of_seconds(sent, heard);
    alike.iter().filter(|piece| **piece > similarity).count() > alike.len() / 2
}

/// Whether both tones dominate the samples, each measured by Goertzel's algorithm.
pub fn has_tone_pair(samples: &[i16], low_hz: f64, high_hz: f64) -> bool {
    let total = energy(samples) / samples.len().max(1) as f64;
    let (low, high) = (tone_power(samples, low_hz), tone_power(samples, high_hz));
    // Fainter than -50 dB is silence; 0.6 of the power leaves room for companding and clicks.
    total > 10_000.0 && low + high > 0.6 * total && low > 0.1 * high && high > 0.1 * low
}

/// The mean power of one tone in the samples.
pub fn tone_power(samples: &[i16], hz: f64) -> f64 {
    let factor = 2.0 * (TAU * hz / RATE as f64).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        (one, two) = (f64::from(*sample) + factor * one - two, one);
    }
    let count = samples.len().max(1) as f64;
    2.0 * (one * one + two * two - factor * one * two) / (count * count)
}

/// The mean power of one tone in each tenth of a second. A tone keeps its power where 20 ms of it are missing, though it
/// goes on in another phase: over the whole, tone_power would take the one part from the other.
pub fn mean_tone_power(samples: &[i16], hz: f64) -> f64 {
    let pieces = samples.chunks_exact(RATE / 10);
    let count = pieces.len().max(1) as f64;
    pieces.map(|piece| tone_power(piece, hz)).sum::<f64>() / count
}

/// Two tones, as audio for a phone.
pub fn tone_pair(low_hz: f64, high_hz: f64, ms: usize) -> Vec<i16> {
    let wave = |hz: f64, n: usize| (TAU * hz * n as f64 / RATE as f64).sin();
    (0..ms * RATE / 1_000).map(|n| (6_000.0 * (wave(low_hz, n) + wave(high_hz, n))) as i16).collect()
}

fn all_delays(sent: &[f64], heard: &[f64]) -> std::ops::RangeInclusive<isize> {
    -(sent.len() as isize)..=heard.len() as isize
}

fn best(sent: &[f64], heard: &[f64], delays: impl Iterator<Item = isize>) -> Option<Likeness> {
    let least = (sent.len().min(heard.len()) as f64 * OVERLAP_PART) as usize;
    let powers = (sums_of_squares(sent), sums_of_squares(heard));
    delays
        .filter_map(|delay| likeness((sent, &powers.0), (heard, &powers.1), delay, least))
        .max_by(|a, b| a.similarity.total_cmp(&b.similarity))
}

/// Samples, and of each place the sum of the squares of all before it.
type Summed<'a> = (&'a [f64], &'a [f64]);

/// How alike the two are at that delay; none if fewer than `least` samples overlap.
fn likeness((sent, sent_sums): Summed, (heard, heard_sums): Summed, delay: isize, least: usize) -> Option<Likeness> {
    let (from_sent, from_heard) = ((-delay).max(0) as usize, delay.max(0) as usize);
    let compared = sent.len().checked_sub(from_sent)?.min(heard.len().checked_sub(from_heard)?);
    if compared < least {
        return None;
    }
    let of_sent = sent_sums[from_sent + compared] - sent_sums[from_sent];
    let of_heard = heard_sums[from_heard + compared] - heard_sums[from_heard];
    let is_silent = |of: f64, sums: &[f64]| of <= sums.last().copied().unwrap_or_default() * SILENT_PART;
    if is_silent(of_sent, sent_sums) || is_silent(of_heard, heard_sums) {
        return None;
    }
    let cross = product(&sent[from_sent..from_sent + compared], &heard[from_heard..from_heard + compared]);
    let similarity = cross / (of_sent * of_heard).sqrt();
    // The part that the best gain cannot explain is noise.
    let explained = similarity * similarity;
    let snr_db = 10.0 * (explained / (1.0 - explained).max(1e-12)).log10();
    Some(Likeness { delay, similarity, snr_db, compared })
}

fn sums_of_squares(samples: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let sums = samples.iter().map(|sample| {
        sum += sample * sample;
        sum
    });
    std::iter::once(0.0).chain(sums).collect()
}

/// The scalar product of two of the same length: counted by hand, since this crate is not optimized, where an iterator takes ten times as long.
fn product(one: &[f64], other: &[f64]) -> f64 {
    let (mut sum, mut at) = (0.0, 0);
    while at < one.len() {
        sum += one[at] * other[at];
        at += 1;
    }
    sum
}

/// The envelope at 1 kHz, for a search in steps of whole milliseconds.
fn rough(samples: &[i16]) -> Vec<f64> {
    let loud: Vec<f64> =
        samples.chunks(COARSE).map(|chunk| chunk.iter().map(|s| f64::from(*s).abs()).sum::<f64>()).collect();
    let mean = loud.iter().sum::<f64>() / loud.len().max(1) as f64;
    loud.into_iter().map(|l| l - mean).collect()
}

fn floats(samples: &[i16]) -> Vec<f64> {
    samples.iter().map(|s| f64::from(*s)).collect()
}

fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum()
}

fn parse_wav(bytes: &[u8]) -> Result<Vec<i16>> {
    ensure!(bytes.get(..4) == Some(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"), "it is no WAV file");
    let (mut format, mut at) = (None, 12);
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let rest = bytes.get(at + 8..).unwrap_or_default();
        // A recorder that goes on, or was killed, has not written the length of its data.
        let unwritten = &head[..4] == b"data" && length == 0;
        let body = if unwritten { rest } else { &rest[..length.min(rest.len())] };
        match &head[..4] {
            b"fmt " if body.len() >= 16 => {
                let number = |i: usize| u16::from_le_bytes([body[i], body[i + 1]]);
                let (channels, rate) = (usize::from(number(2)), usize::from(number(4)));
                ensure!(channels > 0 && rate > 0 && rate.is_multiple_of(RATE), "{channels} channels at {rate} Hz");
                format = Some(((number(0), number(14)), channels * rate / RATE));
            }
            b"data" => {
                let (format, group) = format.context("it has no format")?;
                let all = samples(format, body)?;
                let mean =
                    |group: &[i16]| group.iter().map(|sample| i32::from(*sample)).sum::<i32>() / group.len() as i32;
                return Ok(all.chunks_exact(group).map(|group| mean(group) as i16).collect());
            }
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    bail!("it has no data")
}

fn samples(format: (u16, u16), data: &[u8]) -> Result<Vec<i16>> {
    match format {
        (1, 16) => Ok(data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()),
        (6, 8) => Ok(data.iter().map(|code| a_law(*code)).collect()),
        (7, 8) => Ok(data.iter().map(|code| mu_law(*code)).collect()),
        (tag, bits) => bail!("encoding {tag} with {bits} bits is not known"),
    }
}

fn mu_law(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((i32::from(code & 0x0F) * 8 + 132) << ((code >> 4) & 7)) - 132;
    (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, i32::from(code & 0x0F));
    let magnitude = if segment == 0 { step * 16 + 8 } else { (step * 16 + 264) << (segment - 1) };
    (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

#[cfg(test)]
mod tests;
