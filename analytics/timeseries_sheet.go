package analytics

// sheet has a row for each bucket, and one behind them for what came late, so that
// the column of a counter adds up to its lifetime.
func (s *TimeSeries) sheet() sheet {
	out := sheet{name: "series", columns: append(append([]sheetColumn{
		{"part", columnText}, {"start", columnTime}, {"seconds", columnInteger},
	}, counterSheetColumns()...), rateSheetColumns()...)}
	for i := range s.Buckets {
		b := &s.Buckets[i]
		out.rows = append(out.rows, append([]any{"bucket", b.Start, b.Seconds}, b.cells()...))
	}
	if s.Late != nil {
		out.rows = append(out.rows, append([]any{"late", nil, nil}, s.Late.cells()...))
	}
	return out
}
