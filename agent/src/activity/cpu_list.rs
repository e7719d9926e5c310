//! Lists of CPUs as the kernel prints them (lib/bitmap.c, `bitmap_print_to_pagebuf`).

/// More CPUs than any kernel is built for (arch/x86/Kconfig, `NR_CPUS_RANGE_END`: 8,192).
const MOST_CPUS: u32 = 65_536;

/// The numbers in a list such as `0-3,8,10-11`, ascending; `None` for anything else and for lists of nothing.
pub fn parse_cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus: Vec<u32> = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let ascending = cpus.last().is_none_or(|&before| first > before);
        if !ascending || last < first || last >= MOST_CPUS {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_as_the_kernel_prints_them_are_read() {
        assert_eq!(parse_cpu_list("0-1,4\n"), Some(vec![0, 1, 4]));
        assert_eq!(parse_cpu_list("0,28"), Some(vec![0, 28]));
    }

    #[test]
    fn what_is_no_list_or_names_a_cpu_twice_is_refused() {
        for bad in ["", "x", "3-1", "0-99999999", "65536", "0,,1", "4,0-1", "0-3,2"] {
            assert_eq!(parse_cpu_list(bad), None, "{bad}");
        }
    }
}
