//! Tones: one or two sine waves, for signals that need no prompt file.

use std::f32::consts::PI;

/// Samples in a second of telephone audio.
pub const SAMPLE_RATE: u32 = 8_000;

/// Two tones together, each with half of `amplitude`; equal frequencies give one tone.
pub fn pair(low_hz: u16, high_hz: u16, ms: u32, amplitude: i16) -> Vec<i16> {
    let count = ms.saturating_mul(SAMPLE_RATE) / 1_000;
    let half = f32::from(amplitude) / 2.0;
    let wave = |hz: u16, n: u32| {
        // The phase is taken modulo a second, so that long tones lose no precision.
        let turns = (u64::from(hz) * u64::from(n % SAMPLE_RATE) % u64::from(SAMPLE_RATE)) as f32;
        (2.0 * PI * turns / SAMPLE_RATE as f32).sin()
    };
    (0..count).map(|n| (half * (wave(low_hz, n) + wave(high_hz, n))) as i16).collect()
}

/// Mean power of one tone in a block of audio at [`SAMPLE_RATE`], by Goertzel's algorithm.
pub(crate) fn power(block: &[f32], hz: f32) -> f32 {
    let factor = 2.0 * (2.0 * PI * hz / SAMPLE_RATE as f32).cos();
    let (mut one, mut two) = (0.0_f32, 0.0_f32);
    for sample in block {
        (one, two) = (sample + factor * one - two, one);
    }
    let count = block.len() as f32;
    2.0 * (one * one + two * two - factor * one * two) / (count * count)
}

/// The beep before a recording: 1000 Hz for 300 ms.
pub fn beep() -> Vec<i16> {
    let (hz, ms) = BEEP;
    pair(hz, hz, ms, AMPLITUDE)
}

/// Its frequency in Hz, and how long it sounds, in milliseconds.
const BEEP: (u16, u32) = (1_000, 300);

/// The tone by which the parties of a call hear that it is recorded: 1400 Hz for 200 ms (47 CFR 64.501). Who records repeats it every 15 s.
pub fn recording_warning() -> Vec<i16> {
    let (hz, ms) = RECORDING_WARNING;
    pair(hz, hz, ms, RECORDING_WARNING_AMPLITUDE)
}

/// Its frequency in Hz, and how long it sounds, in milliseconds.
const RECORDING_WARNING: (u16, u32) = (1_400, 200);
/// Softer than a signal, for people talk at the same time: about -21 dBm0.
const RECORDING_WARNING_AMPLITUDE: i16 = 3_000;

/// What the network tells a caller by a tone (ITU-T E.180).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Signal {
    /// The number rings.
    RingBack,
    /// The number is busy.
    Busy,
    /// All lines are taken.
    FastBusy,
}

impl Signal {
    /// The signal of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::RingBack, Self::Busy, Self::FastBusy].into_iter().find(|signal| signal.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingBack => "ringback",
            Self::Busy => "busy",
            Self::FastBusy => "fastbusy",
        }
    }

    /// One round of it as the telephones of a country sound it, by the country's prefix; those of no country here sound as most of Europe's.
    pub fn samples(self, country: &str) -> Vec<i16> {
        let known = COUNTRIES.iter().find(|sounds| sounds.prefix == country).unwrap_or(&EUROPE);
        let (low, high, cadence) = match self {
            Self::RingBack => known.ring_back,
            Self::Busy => known.busy,
            Self::FastBusy => known.fast_busy,
        };
        let mut samples = Vec::new();
        for (part, ms) in cadence.iter().enumerate() {
            let loud = if part % 2 == 0 { AMPLITUDE } else { 0 };
            samples.extend(pair(low, high, *ms, loud));
        }
        samples
    }
}

/// The amplitude of a signal: about -15 dBm0.
const AMPLITUDE: i16 = 6_000;

/// Two frequencies, and how long they sound and are silent in turn, in milliseconds.
type Sound = (u16, u16, &'static [u32]);

/// The signals of a country (ITU-T E.180, Supplement 2).
struct Sounds {
    /// Its prefix.
    prefix: &'static str,
    ring_back: Sound,
    busy: Sound,
    fast_busy: Sound,
}

const EUROPE: Sounds = Sounds {
    prefix: "",
    ring_back: (425, 425, &[1_000, 4_000]),
    busy: (425, 425, &[500, 500]),
    fast_busy: (425, 425, &[250, 250]),
};

const COUNTRIES: [Sounds; 9] = [
    // North America
    Sounds {
        prefix: "1",
        ring_back: (440, 480, &[2_000, 4_000]),
        busy: (480, 620, &[500, 500]),
        fast_busy: (480, 620, &[250, 250]),
    },
    // France
    Sounds {
        prefix: "33",
        ring_back: (440, 440, &[1_500, 3_500]),
        busy: (440, 440, &[500, 500]),
        fast_busy: (440, 440, &[250, 250]),
    },
    // Spain
    Sounds {
        prefix: "34",
        ring_back: (425, 425, &[1_500, 3_000]),
        busy: (425, 425, &[200, 200]),
        fast_busy: (425, 425, &[200, 200, 200, 200, 200, 600]),
    },
    // Italy
    Sounds {
        prefix: "39",
        ring_back: (425, 425, &[1_000, 4_000]),
        busy: (425, 425, &[500, 500]),
        fast_busy: (425, 425, &[200, 200]),
    },
    // United Kingdom
    Sounds {
        prefix: "44",
        ring_back: (400, 450, &[400, 200, 400, 2_000]),
        busy: (400, 400, &[375, 375]),
        fast_busy: (400, 400, &[400, 350, 225, 525]),
    },
    // Germany
    Sounds {
        prefix: "49",
        ring_back: (425, 425, &[1_000, 4_000]),
        busy: (425, 425, &[480, 480]),
        fast_busy: (425, 425, &[240, 240]),
    },
    // Australia
    Sounds {
        prefix: "61",
        ring_back: (400, 450, &[400, 200, 400, 2_000]),
        busy: (425, 425, &[375, 375]),
        fast_busy: (425, 425, &[375, 375]),
    },
    // Japan
    Sounds {
        prefix: "81",
        ring_back: (384, 416, &[1_000, 2_000]),
        busy: (400, 400, &[500, 500]),
        fast_busy: (400, 400, &[500, 500]),
    },
    // India
    Sounds {
        prefix: "91",
        ring_back: (400, 425, &[400, 200, 400, 2_000]),
        busy: (400, 400, &[750, 750]),
        fast_busy: (400, 400, &[250, 250]),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_countrys_signals_have_its_sounds_and_pauses() {
        // 20 ms before the middle of each part: loud, silent, loud, silent.
        let ring = Signal::RingBack.samples("44");
        assert_eq!(ring.len(), 3_000 * 8);
        let is_loud = |ms: usize| ring[ms * 8..(ms + 20) * 8].iter().any(|sample| *sample > 2_000);
        assert_eq!([180, 480, 780, 2_000].map(is_loud), [true, false, true, false]);
        assert_eq!(Signal::Busy.samples("1").len(), 8_000);
        assert_eq!(Signal::RingBack.samples("999"), Signal::RingBack.samples(""), "Europe's where none is known");
    }

    #[test]
    fn the_beep_has_one_tone_of_1000_hz() {
        let beep = beep();
        assert_eq!(beep.len(), 2_400);
        let crossings = beep.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((298..=300).contains(&crossings), "{crossings} periods in 300 ms");
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for signal in [Signal::RingBack, Signal::Busy, Signal::FastBusy] {
            assert_eq!(Signal::from_name(signal.name()), Some(signal));
            assert!(COUNTRIES.iter().all(|country| !signal.samples(country.prefix).is_empty()));
        }
        assert_eq!(Signal::from_name("dial"), None);
    }
}
