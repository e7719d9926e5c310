//! What a kilowatt-hour stands for at a time: grams of carbon dioxide equivalents, or money. Nobody is asked for it.

mod factor;
mod factor_file;
mod series;

pub use factor::{Factor, Share};
pub use series::{NotASeries, Series};
