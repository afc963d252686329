//! Crypto suites by their SDES names, and their master keys.

use std::fmt;

/// A crypto suite.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Suite {
    /// AES in counter mode with 128 bits, tags of 80 bits (RFC 4568 §6.2.1).
    AesCm128Sha1_80,
    /// The same with tags of 32 bits for RTP; RTCP keeps 80 (RFC 4568 §6.2.2).
    AesCm128Sha1_32,
    /// AES-GCM with 128 bits (RFC 7714).
    AesGcm128,
    /// AES-GCM with 256 bits (RFC 7714).
    AesGcm256,
}

/// All suites, the preferred one first: the first one is what every encrypted phone has.
pub const SUITES: [Suite; 4] = [Suite::AesCm128Sha1_80, Suite::AesCm128Sha1_32, Suite::AesGcm128, Suite::AesGcm256];

/// Most bytes of a master key with its salt.
const MATERIAL_MAX: usize = 44;

impl Suite {
    /// Its name in descriptions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesGcm128 => "AEAD_AES_128_GCM",
            Self::AesGcm256 => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name; case does not matter (RFC 4568 §6.2).
    pub fn from_name(name: &str) -> Option<Self> {
        SUITES.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the master key.
    pub const fn key_bytes(self) -> usize {
        if matches!(self, Self::AesGcm256) { 32 } else { 16 }
    }

    /// Bytes of the master salt.
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm128Sha1_32 => 14,
            Self::AesGcm128 | Self::AesGcm256 => 12,
        }
    }

    /// Bytes of the master key with the salt, as a description carries them.
    pub const fn material_bytes(self) -> usize {
        self.key_bytes() + self.salt_bytes()
    }

    /// Its place in [`SUITES`].
    pub const fn index(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 => 0,
            Self::AesCm128Sha1_32 => 1,
            Self::AesGcm128 => 2,
            Self::AesGcm256 => 3,
        }
    }
}

/// The identifier of a master key in each packet (RFC 3711 §3.1), if a description has announced one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mki {
    /// Its value.
    pub value: u64,
    /// Its length in packets, in bytes.
    pub length: u8,
}

/// A suite with a master key and salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keying {
    suite: Suite,
    material: [u8; MATERIAL_MAX],
    mki: Option<Mki>,
}

impl Keying {
    /// The key and the salt, one after the other; `None` if they do not have the suite's length.
    pub fn new(suite: Suite, material: &[u8], mki: Option<Mki>) -> Option<Self> {
        if material.len() != suite.material_bytes() {
            return None;
        }
        let mut all = [0; MATERIAL_MAX];
        all.iter_mut().zip(material).for_each(|(to, from)| *to = *from);
        Some(Self { suite, material: all, mki })
    }

    /// The suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The identifier of the key in packets.
    pub const fn mki(&self) -> Option<Mki> {
        self.mki
    }

    /// The key and the salt, one after the other.
    pub fn material(&self) -> &[u8] {
        self.material.get(..self.suite.material_bytes()).unwrap_or_default()
    }

    pub(super) fn key(&self) -> &[u8] {
        self.material.get(..self.suite.key_bytes()).unwrap_or_default()
    }

    pub(super) fn salt(&self) -> &[u8] {
        self.material.get(self.suite.key_bytes()..self.suite.material_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Keying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keying({}, ***)", self.suite.name())
    }
}
