//! What a field of the application's settings can hold: how it lies in the image, and how it is written as text.

use std::fmt;
use std::net::Ipv4Addr;

use crate::bytes::{array_at, u16_at, u32_at};

/// A value that the application's configuration block can hold.
pub(super) trait Value: Sized {
    /// From the block at an offset.
    fn decode(block: &[u8], offset: usize) -> Option<Self>;
    /// As the block has it.
    fn encode(&self) -> Vec<u8>;
    /// From text.
    fn parse(text: &str) -> Option<Self>;
    /// As text.
    fn show(&self) -> String;
}

macro_rules! number {
    ($type:ty, $read:expr) => {
        impl Value for $type {
            fn decode(block: &[u8], offset: usize) -> Option<Self> {
                $read(block, offset)
            }
            fn encode(&self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    };
}
number!(u8, |block: &[u8], offset: usize| block.get(offset).copied());
number!(u16, u16_at);
number!(u32, u32_at);

impl Value for bool {
    fn decode(block: &[u8], offset: usize) -> Option<Self> {
        match block.get(offset)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
    fn encode(&self) -> Vec<u8> {
        vec![u8::from(*self)]
    }
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Ipv4Addr {
    fn decode(block: &[u8], offset: usize) -> Option<Self> {
        array_at::<4>(block, offset).map(Self::from)
    }
    fn encode(&self) -> Vec<u8> {
        self.octets().to_vec()
    }
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// Text of at most `N - 1` printable ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self([0; N]);

    /// `None` if it is too long or has other characters.
    pub fn new(text: &str) -> Option<Self> {
        if text.len() >= N || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        let mut bytes = [0; N];
        bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Some(Self(bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(N);
        std::str::from_utf8(self.0.get(..length).unwrap_or_default()).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl<const N: usize> Value for Text<N> {
    fn decode(block: &[u8], offset: usize) -> Option<Self> {
        let bytes = array_at::<N>(block, offset)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        Self::new(std::str::from_utf8(bytes.get(..end)?).ok()?)
    }
    fn encode(&self) -> Vec<u8> {
        self.0.to_vec()
    }
    fn parse(text: &str) -> Option<Self> {
        Self::new(text)
    }
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

/// A choice: one byte in the image, one word as text.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $number:literal $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant = $number,)+
        }

        impl Value for $name {
            fn decode(block: &[u8], offset: usize) -> Option<Self> {
                match block.get(offset)? {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }
            fn encode(&self) -> Vec<u8> {
                vec![*self as u8]
            }
            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
            fn show(&self) -> String {
                match self {
                    $(Self::$variant => $word,)+
                }
                .to_owned()
            }
        }
    };
}

choice! {
    /// `SYSTEM_MODE` of the application.
    SystemMode {
        /// The call is not made.
        Default = 0 "default",
        /// The system connects by itself.
        Automatic = 1 "automatic",
        /// The application says when to connect.
        SemiAutomatic = 2 "semi_automatic",
        /// The application also runs the cloud's background work.
        Manual = 3 "manual",
    }
}

choice! {
    /// What the application does.
    Mode {
        /// It blinks D7, and writes a line each time.
        Blink = 0 "blink",
        /// It holds a TCP connection, sends a byte a period and reads what comes back.
        Echo = 1 "echo",
        /// It is a client of an MQTT broker, and publishes a counter each period.
        Mqtt = 2 "mqtt",
    }
}

choice! {
    /// Which of the firmware's own log messages go to Serial1. Firmware 0.5.2 has no messages below `Error`.
    SystemLog {
        /// None.
        None = 0 "none",
        /// All.
        Trace = 1 "trace",
        /// From information on.
        Info = 30 "info",
        /// From warnings on.
        Warn = 40 "warn",
        /// Errors.
        Error = 50 "error",
    }
}

choice! {
    /// What the application does wrong, once, at the moment of [`FaultMoment`].
    FaultKind {
        /// Nothing.
        None = 0 "none",
        /// Stores to an address where nothing is.
        WildPointer = 1 "wild_pointer",
        /// Stores to a field of a structure at address 0, which is flash.
        NullWrite = 2 "null_write",
        /// Divides by zero.
        DivideByZero = 3 "divide_by_zero",
        /// A second thread calls itself without end, a level each 10 ms, on a stack of 1,024 bytes.
        StackOverflow = 4 "stack_overflow",
        /// loop() and a second thread take two mutexes in opposite order.
        Deadlock = 5 "deadlock",
        /// A thread of a higher priority never pauses.
        Starvation = 6 "starvation",
        /// The whole heap is allocated and kept.
        HeapExhaustion = 7 "heap_exhaustion",
        /// Calls through a pointer that a text has overwritten.
        WildJump = 8 "wild_jump",
        /// LDRD from an address that is no multiple of four.
        Unaligned = 9 "unaligned",
        /// Executes an undefined instruction.
        Undefined = 10 "undefined",
        /// loop() stands in a delay that does no work of the system's.
        Block = 11 "block",
        /// loop() waits for the clock without a pause.
        BusyWait = 12 "busy_wait",
        /// Resets the device: at each start again.
        ResetLoop = 13 "reset_loop",
    }
}

choice! {
    /// From when on the time until the fault counts.
    FaultMoment {
        /// The end of setup().
        Start = 0 "start",
        /// The system's event that an update begins.
        Update = 1 "update",
        /// The TCP connection is open.
        Connection = 2 "connection",
    }
}

choice! {
    /// Whether an event of the cloud is acknowledged.
    Acknowledge {
        /// As the firmware's version has it.
        Default = 0 "default",
        /// Wanted, and waited for (0.6 and later).
        WithAck = 1 "with_ack",
        /// Not wanted.
        NoAck = 2 "no_ack",
    }
}
