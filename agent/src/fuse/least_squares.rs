//! Non-negative least squares on normal equations.

/// How often the set of coefficients that are held at zero may change.
const ROUNDS: usize = 16;

/// The `x >= 0` that is least in `x' G x - 2 b' x`, for a symmetric positive definite `matrix` G in rows: solved exactly,
/// with those that come out negative held at zero one after the other.
pub(super) fn non_negative(matrix: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let size = right.len();
    let mut free: Vec<usize> = (0..size).collect();
    for _ in 0..ROUNDS {
        let found = solve(matrix, right, &free);
        let negative = found.iter().any(|value| *value < 0.0);
        if !negative {
            let mut all = vec![0.0; size];
            for (place, value) in free.iter().zip(found) {
                all[*place] = value;
            }
            return all;
        }
        free = free.into_iter().zip(found).filter(|(_, value)| *value >= 0.0).map(|(place, _)| place).collect();
    }
    vec![0.0; size]
}

/// Solves for the coefficients in `free`, the others being zero (Cholesky). Those that the matrix does not determine are
/// zero.
fn solve(matrix: &[Vec<f64>], right: &[f64], free: &[usize]) -> Vec<f64> {
    let size = free.len();
    let mut factor = vec![vec![0.0; size]; size];
    let mut solution = vec![0.0; size];
    for row in 0..size {
        for column in 0..=row {
            let known: f64 = (0..column).map(|it| factor[row][it] * factor[column][it]).sum();
            let rest = matrix[free[row]][free[column]] - known;
            factor[row][column] = if row == column {
                // What is that near to zero is rounding.
                let least = 1e-12 * matrix[free[row]][free[row]];
                if rest > least { rest.sqrt() } else { f64::INFINITY }
            } else {
                rest / factor[column][column]
            };
        }
        let known: f64 = (0..row).map(|it| factor[row][it] * solution[it]).sum();
        solution[row] = (right[free[row]] - known) / factor[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|it| factor[it][row] * solution[it]).sum();
        solution[row] = (solution[row] - known) / factor[row][row];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f64], expected: &[f64]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9)
    }

    #[test]
    fn what_is_positive_is_solved_exactly() {
        let matrix = vec![vec![4.0, 1.0, 0.5], vec![1.0, 3.0, 0.25], vec![0.5, 0.25, 2.0]];
        let expected = [1.0, 2.0, 0.5];
        let right: Vec<f64> =
            matrix.iter().map(|row| row.iter().zip(&expected).map(|(one, other)| one * other).sum()).collect();
        assert!(near(&non_negative(&matrix, &right), &expected));
    }

    #[test]
    fn what_would_be_negative_is_zero() {
        let matrix = vec![vec![1.0, 0.5], vec![0.5, 1.0]];
        assert!(near(&non_negative(&matrix, &[1.0, -2.0]), &[1.0, 0.0]));
    }

    #[test]
    fn what_is_not_determined_is_zero() {
        let matrix = vec![vec![2.0, 2.0, 0.0], vec![2.0, 2.0, 0.0], vec![0.0, 0.0, 0.0]];
        let found = non_negative(&matrix, &[4.0, 4.0, 0.0]);
        assert!((found[0] + found[1] - 2.0).abs() < 1e-9 && found[2] == 0.0, "{found:?}");
    }
}
