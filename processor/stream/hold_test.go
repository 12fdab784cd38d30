package stream

import "testing"

func TestHoldCountsOnceTheInputIsReadThatFar(t *testing.T) {
	answer := func(hold, end int64) *inputEnds {
		return &inputEnds{hold: hold, ends: map[int32]int64{0: end}}
	}
	var h hold
	for i, step := range []struct {
		ends            *inputEnds
		position, micro int64
		want            int64
	}{
		{nil, 0, 50, 0},               // nothing is known
		{answer(0, 10), 10, 50, 0},    // still nothing
		{answer(100, 10), 5, 50, 0},   // what it speaks of may lie ahead
		{answer(200, 20), 9, 60, 0},   // a newer answer does not put it off
		{answer(200, 20), 10, 60, 60}, // read as far
		{answer(200, 20), 10, 150, 100},
		{answer(200, 20), 20, 150, 150},
		{answer(200, 20), 20, 250, 200}, // it stands
		{answer(150, 20), 20, 250, 200}, // and never goes back
		{&inputEnds{hold: 300}, 20, 250, 200},
		{answer(300, 20), 20, 250, 250},
	} {
		if got := h.limit(step.ends, 0, step.position, step.micro); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
}
