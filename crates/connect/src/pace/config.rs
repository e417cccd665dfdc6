//! The setting `stripe.pace`: how many calls a second, by kind.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// One figure of a [`PaceConfig`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figure {
    /// What is usual for the mode: 100 with a live key, 25 with a test key, off against the sandbox.
    #[default]
    Usual,
    /// No limit.
    Off,
    /// So many calls a second, at most [`Figure::MOST`].
    PerSecond(NonZeroU32),
}

impl Figure {
    /// The greatest figure that can be set, calls a second.
    pub const MOST: u32 = 10_000;

    /// Calls a second in that mode; none without a limit.
    pub(super) fn in_mode(self, mode: &str) -> Option<u32> {
        match (self, mode) {
            (Figure::Usual, "sandbox") | (Figure::Off, _) => None,
            (Figure::Usual, _) => Some(usual(mode)),
            (Figure::PerSecond(figure), _) => Some(figure.get()),
        }
    }
}

/// What Stripe allows in that mode, calls a second.
pub(super) fn usual(mode: &str) -> u32 {
    if mode == "test" { 25 } else { 100 }
}

impl FromStr for Figure {
    type Err = String;

    /// Reads `off` or a number of calls a second.
    fn from_str(text: &str) -> Result<Figure, String> {
        if text == "off" {
            return Ok(Figure::Off);
        }
        let figure = text.parse::<NonZeroU32>().ok().filter(|figure| figure.get() <= Figure::MOST);
        figure.map(Figure::PerSecond).ok_or_else(|| {
            format!("{text:?} is no pace: write calls a second from 1 to {}, or `off`", Figure::MOST)
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Usual => f.write_str("usual"),
            Figure::Off => f.write_str("off"),
            Figure::PerSecond(figure) => figure.fmt(f),
        }
    }
}

/// How many calls a second go to one account in one mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceConfig {
    /// Calls that read.
    pub read: Figure,
    /// Calls that write.
    pub write: Figure,
    /// Both together.
    pub total: Figure,
}

impl PaceConfig {
    /// No limit at all.
    pub const OFF: PaceConfig = PaceConfig { read: Figure::Off, write: Figure::Off, total: Figure::Off };
}

impl FromStr for PaceConfig {
    type Err = String;

    /// Reads `off`, or `read=100,write=100,total=100`; parts that are left out stay usual.
    ///
    /// ```
    /// use loopfour_connect::pace::{Figure, PaceConfig};
    /// let pace: PaceConfig = "read=off,total=50".parse().unwrap();
    /// assert_eq!((pace.read, pace.write), (Figure::Off, Figure::Usual));
    /// assert_eq!(pace.to_string(), "read=off,total=50");
    /// ```
    fn from_str(text: &str) -> Result<PaceConfig, String> {
        if text.trim() == "off" {
            return Ok(PaceConfig::OFF);
        }
        const FORM: &str = "write `off`, or parts as in `read=100,write=100,total=100`";
        let mut config = PaceConfig::default();
        for part in text.split(',') {
            let (name, figure) =
                part.split_once('=').ok_or_else(|| format!("{:?} is no pace: {FORM}", part.trim()))?;
            let place = match name.trim() {
                "read" => &mut config.read,
                "write" => &mut config.write,
                "total" => &mut config.total,
                other => return Err(format!("{other:?} has no pace: {FORM}")),
            };
            if *place != Figure::Usual {
                return Err(format!("`{}` is given twice: keep one of them", name.trim()));
            }
            *place = figure.trim().parse()?;
        }
        Ok(config)
    }
}

impl fmt::Display for PaceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == PaceConfig::OFF {
            return f.write_str("off");
        }
        let parts = [("read", self.read), ("write", self.write), ("total", self.total)];
        let set = parts.iter().filter(|(_, figure)| *figure != Figure::Usual);
        let parts: Vec<String> = set.map(|(name, figure)| format!("{name}={figure}")).collect();
        f.write_str(&parts.join(","))
    }
}
