package simtarget

// nearest finds the word that is the fewest changes away, or "" when none is near. Of equals the first one wins. The word itself,
// which may be right elsewhere, is no answer.
func nearest(word string, known []string) string {
	best, fewest := "", len(word)/2+2
	for _, k := range known {
		if d := changes(word, k); d < fewest && k != word {
			best, fewest = k, d
		}
	}
	return best
}

// changes counts the bytes to put in, take out or replace that make b of a.
func changes(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
