//! ITU-T G.711, both laws, by table: bit-exact with the Recommendation's companding rules.
//!
//! The tables are computed at compile time from the formulas; the tests compare them with a second, independent
//! statement of the formulas (the decision values).

/// The two companding laws, with the payload types and names of RFC 3551.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// µ-law, PCMU, payload type 0.
    Mu,
    /// A-law, PCMA, payload type 8.
    A,
}

impl Law {
    /// The law with that name (RFC 3551 §6): `PCMU` or `PCMA`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Mu, Self::A].into_iter().find(|law| name.eq_ignore_ascii_case(law.name()))
    }

    /// The static payload type (RFC 3551 §6).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Mu => 0,
            Self::A => 8,
        }
    }

    /// The encoding's name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    /// One linear sample as a code word.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            // 14 bits enter the µ-law coder, 13 the A-law coder; the casts keep the low bits as the table's index.
            Self::Mu => MU_ENCODE[((sample >> 2) as u16 & 0x3FFF) as usize],
            Self::A => A_ENCODE[((sample >> 3) as u16 & 0x1FFF) as usize],
        }
    }

    /// One code word as a linear sample of 16 bits.
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Self::Mu => MU_DECODE[code as usize],
            Self::A => A_DECODE[code as usize],
        }
    }

    /// A code word of this law as one of the other.
    pub fn transcode(self, code: u8) -> u8 {
        match self {
            Self::Mu => MU_TO_A[code as usize],
            Self::A => A_TO_MU[code as usize],
        }
    }

    /// Silence: the code word of 0.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xFF,
            Self::A => 0xD5,
        }
    }
}

static MU_DECODE: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = mu_expand(code as u8);
        code += 1;
    }
    table
};

static A_DECODE: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = a_expand(code as u8);
        code += 1;
    }
    table
};

static MU_ENCODE: [u8; 16_384] = {
    let mut table = [0; 16_384];
    let mut index = 0;
    while index < 16_384 {
        // The index is the low 14 bits of a signed number: sign-extend it.
        table[index] = mu_compress((((index as u16) << 2) as i16) >> 2);
        index += 1;
    }
    table
};

static A_ENCODE: [u8; 8_192] = {
    let mut table = [0; 8_192];
    let mut index = 0;
    while index < 8_192 {
        table[index] = a_compress((((index as u16) << 3) as i16) >> 3);
        index += 1;
    }
    table
};

static MU_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = a_compress(mu_expand(code as u8) >> 3);
        code += 1;
    }
    table
};

static A_TO_MU: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = mu_compress(a_expand(code as u8) >> 2);
        code += 1;
    }
    table
};

/// µ-law of a 14-bit sample (-8192..=8191): the magnitude plus 33 in segment and step, all bits inverted.
const fn mu_compress(sample: i16) -> u8 {
    // One's complement of negative values, so that +x and -x-1 share a magnitude, as the decision values demand.
    let magnitude = if sample < 0 { !sample } else { sample } as u16 + 33;
    let magnitude = if magnitude > 0x1FFF { 0x1FFF } else { magnitude };
    let segment = 15 - magnitude.leading_zeros() as u16 - 5;
    let step = (magnitude >> (segment + 1)) & 0x0F;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !((segment << 4 | step) as u8 | sign)
}

/// The 16-bit sample of a µ-law code word (14 significant bits, at the top).
const fn mu_expand(code: u8) -> i16 {
    let inverted = !code;
    let segment = (inverted >> 4) & 7;
    let step = (inverted & 0x0F) as i16;
    let magnitude = (((step << 1) + 33) << segment) - 33;
    if inverted & 0x80 != 0 { -(magnitude << 2) } else { magnitude << 2 }
}

/// A-law of a 13-bit sample (-4096..=4095): segment and step, even bits inverted, the sign bit set for positive.
const fn a_compress(sample: i16) -> u8 {
    let magnitude = if sample < 0 { !sample } else { sample } as u16;
    let bits = 16 - magnitude.leading_zeros() as u16;
    let segment = bits.saturating_sub(5);
    let shift = if segment > 1 { segment } else { 1 };
    let step = (magnitude >> shift) & 0x0F;
    let sign = if sample < 0 { 0 } else { 0x80 };
    ((segment << 4 | step) as u8 | sign) ^ 0x55
}

/// The 16-bit sample of an A-law code word (13 significant bits, at the top).
const fn a_expand(code: u8) -> i16 {
    let plain = code ^ 0x55;
    let segment = (plain >> 4) & 7;
    let step = ((plain & 0x0F) as i16) << 1;
    let magnitude = if segment == 0 { step + 1 } else { (step + 33) << (segment - 1) };
    if plain & 0x80 != 0 { magnitude << 3 } else { -(magnitude << 3) }
}

#[cfg(test)]
mod tests;
