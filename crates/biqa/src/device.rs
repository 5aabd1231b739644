//! Where a network is trained: the processor, or one of NVIDIA's GPUs where biqa was built with
//! `cuda`.
//!
//! Who calls: the lab's jobs, with what `--device` says. A device that was asked for is there or is
//! an error; nothing falls back on another one. Scoring is the processor's: see [`crate::scorer`].

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// A device by name: `cpu`, `cuda` (the first GPU) or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceName {
    /// The processor.
    #[default]
    Cpu,
    /// One of NVIDIA's GPUs, by CUDA's number.
    Cuda(usize),
}

/// A device that is there.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    name: DeviceName,
    /// What the driver calls it; empty for the processor.
    hardware: String,
    plain: Device,
}

/// Why a device can't be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// This binary has no CUDA.
    #[error(
        "--device {asked}: this biqa was built without CUDA: cargo build --release --features \
         cuda, or take --device cpu"
    )]
    NotBuilt {
        /// What was asked for.
        asked: DeviceName,
    },
    /// There is no such GPU.
    #[error(
        "--device {asked}: no CUDA device {}: the machine has {found}{}",
        asked.index(),
        if *found == 0 {
            " (is NVIDIA's driver installed, and CUDA_VISIBLE_DEVICES not empty?)"
        } else {
            ", counted from 0"
        }
    )]
    Absent {
        /// What was asked for.
        asked: DeviceName,
        /// How many there are.
        found: usize,
    },
    /// It is there, and a small product on it failed.
    #[error(
        "--device {asked} can't be used: {reason}; a driver for CUDA 12 or newer and its \
         libraries are needed"
    )]
    Broken {
        /// What was asked for.
        asked: DeviceName,
        /// What CUDA said.
        reason: String,
    },
}

impl DeviceName {
    /// Whether it is the processor, which files don't mention.
    pub fn is_cpu(&self) -> bool {
        *self == Self::Cpu
    }

    /// The device, after a small product on it that came out right.
    pub fn open(self) -> Result<OpenDevice, DeviceError> {
        match self {
            Self::Cpu => Ok(OpenDevice::default()),
            Self::Cuda(index) => cuda::open(index),
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Cpu => 0,
            Self::Cuda(index) => index,
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let index = |text: &str| text.parse().ok().filter(|_| !text.starts_with('+'));
        match text.split_once(':') {
            None if text == "cpu" => Some(Self::Cpu),
            None if text == "cuda" => Some(Self::Cuda(0)),
            Some(("cuda", number)) => index(number).map(Self::Cuda),
            _ => None,
        }
        .ok_or_else(|| format!("expected cpu, cuda or cuda:N such as cuda:1, found {text:?}"))
    }
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl Default for OpenDevice {
    /// The processor.
    fn default() -> Self {
        Self { name: DeviceName::Cpu, hardware: String::new(), plain: Device::flex() }
    }
}

impl OpenDevice {
    /// What it was asked for by.
    pub fn name(&self) -> DeviceName {
        self.name
    }

    /// For tensors that nothing is learnt through.
    pub fn plain(&self) -> Device {
        self.plain.clone()
    }

    /// For tensors with gradients.
    #[cfg(feature = "train")]
    pub fn grads(&self) -> Device {
        self.plain.clone().autodiff()
    }

    /// How many threads may use it at once, where `threads` are there (0: all cores): one uses a
    /// GPU.
    pub fn users(&self, threads: usize) -> usize {
        if self.name.is_cpu() { threads } else { 1 }
    }

    /// Waits until all that was asked of it is done. Says why where something of it failed.
    pub fn wait(&self) -> Result<(), DeviceError> {
        self.plain
            .sync()
            .map_err(|e| DeviceError::Broken { asked: self.name, reason: e.to_string() })
    }

    /// Bytes that are reserved on it, where it tells.
    pub fn memory(&self) -> Option<u64> {
        self.plain.memory_pool_usage().map(|usage| usage.bytes_reserved)
    }
}

impl fmt::Display for OpenDevice {
    /// `cpu`, or `cuda:0 (NVIDIA H100)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if self.hardware.is_empty() { Ok(()) } else { write!(f, " ({})", self.hardware) }
    }
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use super::{DeviceError, DeviceName, OpenDevice};

    pub(super) fn open(index: usize) -> Result<OpenDevice, DeviceError> {
        Err(DeviceError::NotBuilt { asked: DeviceName::Cuda(index) })
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    //! CUDA's libraries are loaded when they are first used, and a missing one is a panic there, so
    //! all that a first use does is done here and its panic caught.

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use burn::tensor::{Device, DeviceType, Tensor};

    use super::{DeviceError, DeviceName, OpenDevice};

    pub(super) fn open(index: usize) -> Result<OpenDevice, DeviceError> {
        let asked = DeviceName::Cuda(index);
        let broken = |reason| DeviceError::Broken { asked, reason };
        // Looks for the driver's library first: without one there are none.
        let found = caught(|| Device::enumerate(DeviceType::Cuda).into_vec().len());
        let found = found.map_err(broken)?;
        if index >= found {
            return Err(DeviceError::Absent { asked, found });
        }
        let device = Device::cuda(index);
        let (product, synced, identity) = caught(|| {
            let two = Tensor::<2>::full([2, 2], 2.0, &device);
            let product = two.clone().matmul(two).sum().into_scalar::<f32>();
            (product, device.sync(), device.identity())
        })
        .map_err(broken)?;
        synced.map_err(|e| broken(e.to_string()))?;
        if product != 32.0 {
            return Err(broken(format!("a product of two 2 x 2 matrices gave {product}, not 32")));
        }
        let hardware = identity.map_or_else(String::new, |identity| identity.name);
        Ok(OpenDevice { name: asked, hardware, plain: device })
    }

    fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
        catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
            let text = cause.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
            text.unwrap_or("its first use panicked").to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for (text, name, written) in [
            ("cpu", DeviceName::Cpu, "cpu"),
            ("cuda", DeviceName::Cuda(0), "cuda:0"),
            ("cuda:3", DeviceName::Cuda(3), "cuda:3"),
        ] {
            assert_eq!(text.parse(), Ok(name));
            assert_eq!(name.to_string(), written);
            let json = serde_json::to_string(&name).expect("a text");
            assert_eq!(serde_json::from_str::<DeviceName>(&json).expect("its own"), name);
        }
        for text in ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "cpu:0", "cuda 1"]
        {
            let error = text.parse::<DeviceName>().expect_err(text);
            assert!(error.starts_with("expected cpu, cuda or cuda:N"), "{error}");
        }
    }

    #[test]
    fn the_processor_is_always_there() {
        let device = DeviceName::Cpu.open().expect("the processor");
        assert_eq!((device.to_string(), device.users(3), device.wait()), ("cpu".into(), 3, Ok(())));
        assert_eq!(device.plain(), Device::flex());
    }

    #[test]
    fn what_is_absent_is_an_error_that_says_what_to_do() {
        // No machine has so many.
        let error = DeviceName::Cuda(9999).open().expect_err("absent").to_string();
        let expected = if cfg!(feature = "cuda") {
            "--device cuda:9999: no CUDA device 9999: the machine has "
        } else {
            "--device cuda:9999: this biqa was built without CUDA: cargo build --release \
             --features cuda, or take --device cpu"
        };
        assert!(error.starts_with(expected), "{error}");
        let one = DeviceError::Absent { asked: DeviceName::Cuda(1), found: 1 };
        let text = "--device cuda:1: no CUDA device 1: the machine has 1, counted from 0";
        assert_eq!(one.to_string(), text);
    }
}
