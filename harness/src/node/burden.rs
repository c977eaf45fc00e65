//! A burden: what this process costs the machine, as the system counts it in `/proc`. 0 where it does not say.

/// Of the times in `/proc`: the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds that processors have worked on this process, its system calls included; a hundredth counts.
pub fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before the parenthesis may hold spaces; of what follows the 12th and 13th are user and system time.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// Bytes of this process that are resident: all of them, and those that lie in no file. Pages of the executable are resident in
/// every node and in memory once.
pub fn resident_bytes() -> (u64, u64) {
    // In pages: the whole size, what is resident, and of that what lies in files.
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = statm.split_whitespace().skip(1).map(|pages| pages.parse::<u64>().unwrap_or(0));
    let (resident, in_files) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4_096);
    let page = u64::try_from(page).unwrap_or(4_096);
    (resident * page, resident.saturating_sub(in_files) * page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_are_counted() {
        let before = processor_seconds();
        let mut sum = 0_u64;
        while processor_seconds() < before + 0.05 {
            sum = (0..1_000_000).fold(sum, |sum, number: u64| std::hint::black_box(sum ^ number));
        }
        let (resident, own) = resident_bytes();
        assert!(1 << 16 < own && own < resident, "{own} of {resident} {sum}");
    }
}
