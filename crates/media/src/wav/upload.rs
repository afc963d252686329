//! WAV files as people have them, made into what is played: 16-bit PCM, mono at 8 kHz.

use crate::codec::{Resampler, SampleRate};
use crate::g711::Law;
use crate::tone::SAMPLE_RATE;

/// The longest recording, in seconds.
pub const SECONDS_MAX: u32 = 300;
/// The shortest recording, in samples as it is played: a tenth of a second.
const SAMPLES_MIN: usize = SAMPLE_RATE as usize / 10;
/// What has no sample as loud as this is silent: 60 dB below the loudest.
const SILENT_BELOW: u16 = 33;
/// The loudest sample.
const FULL_SCALE: f64 = 32_768.0;
/// The encoding is in the extension of the format, as programs write it that know many channels.
const EXTENSIBLE: u16 = 0xFFFE;
/// Where it is there.
const SUBFORMAT_AT: usize = 24;

/// A recording as it is played.
#[derive(Clone, PartialEq, Debug)]
pub struct Upload {
    /// Its samples.
    pub samples: Vec<i16>,
    /// Samples a second of the file.
    pub rate: u32,
    /// Channels of the file.
    pub channels: u16,
    /// The loudest sample, whatever its sign.
    pub peak: u16,
}

/// Why a file cannot be made into a prompt. Always the fault of who has uploaded it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UploadError {
    /// Not a RIFF file of type WAVE.
    #[error("the file is not a WAV file")]
    NotWav,
    /// A chunk is cut off or missing.
    #[error("the file has no whole {0} chunk")]
    Chunk(&'static str),
    /// Another rate than phones and studios use.
    #[error("the file has {0} samples a second: save it with 8000, 16000 or 48000")]
    Rate(u32),
    /// Neither mono nor stereo.
    #[error("the file has {0} channels: save it with one or two")]
    Channels(u16),
    /// An encoding that is not played.
    #[error("the file has encoding {tag} with {bits} bits: save it as PCM with 8, 16 or 24 bits, or as A-law or µ-law")]
    Encoding {
        /// The format tag.
        tag: u16,
        /// Bits of a sample.
        bits: u16,
    },
    /// Less than a tenth of a second.
    #[error("the recording is shorter than a tenth of a second")]
    TooShort,
    /// Longer than [`SECONDS_MAX`].
    #[error("the recording is longer than {SECONDS_MAX} seconds")]
    TooLong,
    /// Nothing is to be heard.
    #[error("the recording is silent")]
    Silent,
}

impl Upload {
    /// Its length in milliseconds.
    pub fn length_ms(&self) -> u32 {
        let ms = self.samples.len() * 1_000 / SAMPLE_RATE as usize;
        u32::try_from(ms).unwrap_or(u32::MAX)
    }

    /// How loud its loudest sample is, in decibels below what is possible: 0 is the loudest.
    pub fn peak_db(&self) -> f64 {
        20.0 * (f64::from(self.peak) / FULL_SCALE).log10()
    }
}

/// Makes an uploaded file into what is played.
///
/// # Errors
/// What is wrong with the file.
pub fn convert(bytes: &[u8]) -> Result<Upload, UploadError> {
    let chunks = match bytes.split_first_chunk::<12>() {
        Some((head, rest)) if head.starts_with(b"RIFF") && head.ends_with(b"WAVE") => rest,
        _ => return Err(UploadError::NotWav),
    };
    let format = WavFormat::parse(super::chunk(chunks, b"fmt ").ok_or(UploadError::Chunk("fmt"))?)?;
    let data = super::chunk(chunks, b"data").ok_or(UploadError::Chunk("data"))?;
    let frames = data.chunks_exact(format.frame_bytes());
    if frames.len() > (format.rate * SECONDS_MAX) as usize {
        return Err(UploadError::TooLong);
    }
    let mixed: Vec<i16> = frames.map(|frame| format.mixed(frame)).collect();
    let samples = at_played_rate(&mixed, &format);
    if samples.len() < SAMPLES_MIN {
        return Err(UploadError::TooShort);
    }
    let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or_default();
    if peak < SILENT_BELOW {
        return Err(UploadError::Silent);
    }
    Ok(Upload { samples, rate: format.rate, channels: format.channels, peak })
}

/// The samples at the rate at which they are played, a second at a time.
fn at_played_rate(samples: &[i16], format: &WavFormat) -> Vec<i16> {
    let (from, times) = match format.rate {
        8_000 => (SampleRate::Narrow, 1),
        16_000 => (SampleRate::Wide, 2),
        _ => (SampleRate::Full, 6),
    };
    let mut resampler = Resampler::new(from, SampleRate::Narrow);
    let mut played = Vec::with_capacity(samples.len() / times + 1);
    for second in samples.chunks(format.rate as usize) {
        if second.len().is_multiple_of(times) {
            resampler.run(second, &mut played);
        } else {
            let mut whole = second.to_vec();
            whole.resize(second.len().next_multiple_of(times), 0);
            resampler.run(&whole, &mut played);
        }
    }
    played
}

// === the format of a file ===

#[derive(Clone, Copy)]
enum Coding {
    Linear { bytes: usize },
    Companded(Law),
}

struct WavFormat {
    coding: Coding,
    channels: u16,
    rate: u32,
}

impl WavFormat {
    fn parse(format: &[u8]) -> Result<Self, UploadError> {
        let head = format.first_chunk::<16>().ok_or(UploadError::Chunk("fmt"))?;
        let [t0, t1, c0, c1, r0, r1, r2, r3, .., b0, b1] = *head;
        let (tag, bits) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([b0, b1]));
        let (channels, rate) = (u16::from_le_bytes([c0, c1]), u32::from_le_bytes([r0, r1, r2, r3]));
        let subformat = format.get(SUBFORMAT_AT..).and_then(|rest| rest.first_chunk::<2>());
        let tag = if tag == EXTENSIBLE { subformat.map_or(tag, |tag| u16::from_le_bytes(*tag)) } else { tag };
        let coding = match (tag, bits) {
            (1, 8) => Coding::Linear { bytes: 1 },
            (1, 16) => Coding::Linear { bytes: 2 },
            (1, 24) => Coding::Linear { bytes: 3 },
            (6, 8) => Coding::Companded(Law::A),
            (7, 8) => Coding::Companded(Law::Mu),
            _ => return Err(UploadError::Encoding { tag, bits }),
        };
        if !matches!(channels, 1 | 2) {
            return Err(UploadError::Channels(channels));
        }
        if !matches!(rate, 8_000 | 16_000 | 48_000) {
            return Err(UploadError::Rate(rate));
        }
        Ok(Self { coding, channels, rate })
    }

    const fn sample_bytes(&self) -> usize {
        match self.coding {
            Coding::Linear { bytes } => bytes,
            Coding::Companded(_) => 1,
        }
    }

    /// Bytes of a sample of each channel.
    const fn frame_bytes(&self) -> usize {
        self.sample_bytes() * self.channels as usize
    }

    /// The mean of the channels.
    fn mixed(&self, frame: &[u8]) -> i16 {
        let sum: i32 = frame.chunks_exact(self.sample_bytes()).map(|sample| i32::from(self.sample(sample))).sum();
        i16::try_from(sum / i32::from(self.channels)).unwrap_or_default()
    }

    fn sample(&self, bytes: &[u8]) -> i16 {
        match (self.coding, bytes) {
            (Coding::Companded(law), [code]) => law.decode(*code),
            // Of 8 bits the middle is 128.
            (Coding::Linear { .. }, [byte]) => (i16::from(*byte) - 128) << 8,
            (Coding::Linear { .. }, [.., low, high]) => i16::from_le_bytes([*low, *high]),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{build, parse};
    use super::*;

    /// A file of that shape.
    fn file(tag: u16, (rate, channels, bits): (u32, u16, u16), data: &[u8]) -> Vec<u8> {
        let mut out = build(&[]);
        out.truncate(40);
        out[20..22].copy_from_slice(&tag.to_le_bytes());
        out[22..24].copy_from_slice(&channels.to_le_bytes());
        out[24..28].copy_from_slice(&rate.to_le_bytes());
        out[34..36].copy_from_slice(&bits.to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out
    }

    /// So many seconds of a tone, in each channel.
    fn tone(rate: u32, channels: u16, hz: f64, seconds: u32) -> Vec<u8> {
        let at = |n: u32| {
            let angle = f64::from(n) * hz * std::f64::consts::TAU / f64::from(rate);
            (angle.sin() * 10_000.0) as i16
        };
        let frames = (0..rate * seconds).flat_map(|n| vec![at(n).to_le_bytes(); usize::from(channels)]);
        frames.flatten().collect()
    }

    #[test]
    fn every_usual_shape_becomes_the_same_tone() {
        for (rate, channels) in [(8_000, 1), (8_000, 2), (16_000, 1), (48_000, 1), (48_000, 2)] {
            let upload = convert(&file(1, (rate, channels, 16), &tone(rate, channels, 500.0, 2))).unwrap();
            assert_eq!((upload.rate, upload.channels, upload.length_ms()), (rate, channels, 2_000));
            assert!((9_500..=10_500).contains(&upload.peak), "{} at {rate} Hz", upload.peak);
            assert!((-11.0..-9.5).contains(&upload.peak_db()), "{}", upload.peak_db());
            let crossings = upload.samples.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
            assert!((1_990..=2_010).contains(&crossings), "{crossings} at {rate} Hz");
            assert_eq!(parse(&build(&upload.samples)).unwrap(), upload.samples, "media plays it");
        }
    }

    #[test]
    fn what_phones_cannot_carry_does_not_come_back_as_another_tone() {
        let high = convert(&file(1, (48_000, 1, 16), &tone(48_000, 1, 10_000.0, 1))).unwrap();
        // Where it begins and ends the tone is a click, which has every frequency.
        let steady = &high.samples[400..7_600];
        let peak = steady.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(peak < 100, "{peak}");
    }

    #[test]
    fn other_encodings_of_the_same_samples_sound_alike() {
        let loud = |tag, bits, of: &[u8]| convert(&file(tag, (8_000, 1, bits), &of.repeat(4_000))).unwrap().peak;
        assert_eq!(loud(1, 8, &[0, 255]), 32_768);
        assert_eq!(loud(1, 24, &[9, 0x10, 0x27, 9, 0xF0, 0xD8]), 10_000);
        assert_eq!(loud(6, 8, &[0x2A, 0xAA]), 32_256);
        let mut extensible = file(EXTENSIBLE, (8_000, 1, 16), &[]);
        extensible.truncate(36);
        extensible[16] = 40;
        extensible.extend([22, 0, 16, 0, 4, 0, 0, 0, 1, 0]);
        extensible.extend([0; 14]);
        extensible.extend(b"data\x80\x3e\0\0");
        extensible.extend([0x10, 0x27].repeat(8_000));
        assert_eq!(convert(&extensible).map(|upload| upload.peak), Ok(10_000));
    }

    #[test]
    fn what_is_no_prompt_is_refused_with_its_reason() {
        let second = tone(8_000, 1, 500.0, 1);
        let refused = |tag, shape, data: &[u8]| convert(&file(tag, shape, data)).unwrap_err();
        assert_eq!(convert(b"ID3 and so on, as in an MP3 file").unwrap_err(), UploadError::NotWav);
        assert_eq!(convert(b"RIFFxxxxWAVE").unwrap_err(), UploadError::Chunk("fmt"));
        assert_eq!(convert(&build(&[1])[..36]).unwrap_err(), UploadError::Chunk("data"));
        assert_eq!(refused(1, (44_100, 1, 16), &second), UploadError::Rate(44_100));
        assert_eq!(refused(1, (8_000, 6, 16), &second), UploadError::Channels(6));
        assert_eq!(refused(1, (8_000, 0, 16), &second), UploadError::Channels(0));
        assert_eq!(refused(3, (8_000, 1, 32), &second), UploadError::Encoding { tag: 3, bits: 32 });
        assert_eq!(refused(1, (8_000, 1, 16), &second[..1_598]), UploadError::TooShort);
        assert_eq!(refused(1, (8_000, 1, 16), &[0; 4_000]), UploadError::Silent);
        let long = vec![7; (SECONDS_MAX as usize * 8_000 + 1) * 2];
        assert_eq!(refused(1, (8_000, 1, 16), &long), UploadError::TooLong);
    }

    proptest! {
        #[test]
        fn no_input_panics(
            tag in prop_oneof![Just(1_u16), Just(6), Just(7), Just(EXTENSIBLE), any::<u16>()],
            rate in prop_oneof![Just(8_000_u32), Just(16_000), Just(48_000), any::<u32>()],
            channels in 0_u16..4,
            bits in prop_oneof![Just(8_u16), Just(16), Just(24), any::<u16>()],
            data in proptest::collection::vec(any::<u8>(), 0..5_000),
        ) {
            if let Ok(upload) = convert(&file(tag, (rate, channels, bits), &data)) {
                prop_assert!(upload.length_ms() >= 100);
            }
        }
    }
}
