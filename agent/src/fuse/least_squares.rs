//! Non-negative least squares on normal equations.

/// How often the set of coefficients that are held at zero may change.
const ROUNDS: usize = 16;

/// The `x >= 0` that is least in `x' G x - 2 b' x`, for a symmetric positive definite `matrix` G in rows: solved exactly,
/// with those that come out negative held at zero one after the other. Also which are not held at zero.
pub(super) fn non_negative(matrix: &[Vec<f64>], right: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let size = right.len();
    let mut free: Vec<usize> = (0..size).collect();
    for _ in 0..ROUNDS {
        let found = Factor::of(matrix, &free).solve(free.iter().map(|place| right[*place]).collect());
        let negative = found.iter().any(|value| *value < 0.0);
        if !negative {
            let mut all = vec![0.0; size];
            for (place, value) in free.iter().zip(found) {
                all[*place] = value;
            }
            return (all, free);
        }
        free = free.into_iter().zip(found).filter(|(_, value)| *value >= 0.0).map(|(place, _)| place).collect();
    }
    (vec![0.0; size], Vec::new())
}

/// `G^-1 B G^-1` for symmetric G (`matrix`) and B (`middle`), over the rows and columns in `free`; zero elsewhere.
pub(super) fn sandwich(matrix: &[Vec<f64>], middle: &[Vec<f64>], free: &[usize]) -> Vec<Vec<f64>> {
    let factor = Factor::of(matrix, free);
    let columns = |rows: &[Vec<f64>], at: usize| rows.iter().map(|row| row[at]).collect();
    let half: Vec<Vec<f64>> =
        free.iter().map(|row| factor.solve(free.iter().map(|column| middle[*row][*column]).collect())).collect();
    let mut all = vec![vec![0.0; matrix.len()]; matrix.len()];
    for (at, place) in free.iter().enumerate() {
        for (other, value) in free.iter().zip(factor.solve(columns(&half, at))) {
            all[*other][*place] = value;
        }
    }
    all
}

/// A Cholesky factor of some rows and columns of a matrix. Coefficients that the matrix does not determine come out as zero.
struct Factor(Vec<Vec<f64>>);

impl Factor {
    fn of(matrix: &[Vec<f64>], free: &[usize]) -> Self {
        let size = free.len();
        let mut factor = vec![vec![0.0; size]; size];
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
        }
        Self(factor)
    }

    fn solve(&self, mut right: Vec<f64>) -> Vec<f64> {
        let Self(factor) = self;
        for row in 0..right.len() {
            let known: f64 = (0..row).map(|it| factor[row][it] * right[it]).sum();
            right[row] = (right[row] - known) / factor[row][row];
        }
        for row in (0..right.len()).rev() {
            let known: f64 = (row + 1..right.len()).map(|it| factor[it][row] * right[it]).sum();
            right[row] = (right[row] - known) / factor[row][row];
        }
        right
    }
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
        assert!(near(&non_negative(&matrix, &right).0, &expected));
    }

    #[test]
    fn what_would_be_negative_is_zero() {
        let matrix = vec![vec![1.0, 0.5], vec![0.5, 1.0]];
        assert!(near(&non_negative(&matrix, &[1.0, -2.0]).0, &[1.0, 0.0]));
    }

    #[test]
    fn what_is_not_determined_is_zero() {
        let matrix = vec![vec![2.0, 2.0, 0.0], vec![2.0, 2.0, 0.0], vec![0.0, 0.0, 0.0]];
        let (found, _) = non_negative(&matrix, &[4.0, 4.0, 0.0]);
        assert!((found[0] + found[1] - 2.0).abs() < 1e-9 && found[2] == 0.0, "{found:?}");
    }

    #[test]
    fn a_sandwich_is_what_it_is_called_after() {
        let matrix = vec![vec![2.0, 0.0, 0.0], vec![0.0, 4.0, 1.0], vec![0.0, 1.0, 5.0]];
        let middle = vec![vec![8.0, 2.0, 0.0], vec![2.0, 4.0, 0.0], vec![0.0, 0.0, 0.0]];
        let found = sandwich(&matrix, &middle, &[0, 1]);
        assert!(near(&found[0], &[2.0, 0.25, 0.0]) && near(&found[1], &[0.25, 0.25, 0.0]), "{found:?}");
        assert!(near(&found[2], &[0.0; 3]));
    }
}
