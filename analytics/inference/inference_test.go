package inference

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > within {
		t.Errorf("%s: got %.10g, want %.10g", what, got, want)
	}
}

// TestWilson has the examples of Newcombe, Statistics in Medicine 17 (1998) 857,
// table I, method 3.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		p         Proportion
		low, high float64
	}{
		{Proportion{81, 263}, .2553, .3662},
		{Proportion{15, 148}, .0624, .1605},
		{Proportion{0, 20}, 0, .1611},
		{Proportion{1, 29}, .0061, .1718},
		{Proportion{20, 20}, .8389, 1}, // the mirror of 0 of 20
	} {
		got := Wilson(c.p)
		near(t, "low", got.Low, c.low, 5e-5)
		near(t, "high", got.High, c.high, 5e-5)
	}
	if got := Wilson(Proportion{0, 1e6}); got.Low != 0 {
		t.Errorf("none of a million: %v", got)
	}
}

// TestNewcombe has examples of Newcombe, Statistics in Medicine 17 (1998) 873,
// table II, method 10.
func TestNewcombe(t *testing.T) {
	for _, c := range []struct {
		a, b      Proportion
		low, high float64
	}{
		{Proportion{56, 70}, Proportion{48, 80}, .0524, .3339},
		{Proportion{9, 10}, Proportion{3, 10}, .1705, .8090},
		{Proportion{5, 56}, Proportion{0, 29}, -.0381, .1926},
		{Proportion{0, 10}, Proportion{0, 20}, -.1611, .2775},
		{Proportion{0, 10}, Proportion{0, 10}, -.2775, .2775},
		{Proportion{10, 10}, Proportion{0, 20}, .6791, 1},
	} {
		got := Newcombe(c.a, c.b)
		near(t, "low", got.Low, c.low, 5e-5)
		near(t, "high", got.High, c.high, 5e-5)
	}
}

// TestTwoProportionZ has the aspirin study as in A. Agresti, An Introduction to
// Categorical Data Analysis, 2nd edition, 2.2 and 2.4: 189 of 11,034 with placebo
// and 104 of 11,037 with aspirin, X² = 25.01.
func TestTwoProportionZ(t *testing.T) {
	z, p, ok := TwoProportionZ(Proportion{189, 11034}, Proportion{104, 11037})
	if !ok {
		t.Fatal("nothing to test")
	}
	near(t, "z²", z*z, 25.01, .005)
	near(t, "p", p, 5.7e-7, .05e-7)
	if z, _, _ := TwoProportionZ(Proportion{104, 11037}, Proportion{189, 11034}); z > 0 {
		t.Errorf("the other way round: z %v", z)
	}
	for _, k := range []int64{0, 10} {
		if _, p, ok := TwoProportionZ(Proportion{k, 10}, Proportion{k, 10}); ok || p != 1 {
			t.Errorf("%d of 10 twice: %v %v", k, p, ok)
		}
	}
}

// TestFisher has Fisher's tea (The Design of Experiments, 1935) and his twins (as
// in R's documentation of fisher.test).
func TestFisher(t *testing.T) {
	near(t, "tea, 3 of 4", Fisher(Proportion{3, 4}, Proportion{1, 4}), 34.0/70, 1e-12)
	near(t, "tea, all", Fisher(Proportion{4, 4}, Proportion{0, 4}), 2.0/70, 1e-12)
	near(t, "twins", Fisher(Proportion{2, 17}, Proportion{10, 13}), 0.0005367, 5e-8)
	near(t, "alike", Fisher(Proportion{5, 10}, Proportion{5, 10}), 1, 1e-12)
	near(t, "rare among many", Fisher(Proportion{3, 1_000_000}, Proportion{0, 1_000_000}), 0.25, 1e-5)
}

// TestFisherAgreesWithZ: where there is enough of all, both tests say about the same.
func TestFisherAgreesWithZ(t *testing.T) {
	a, b := Proportion{520, 5000}, Proportion{455, 5000}
	_, p, _ := TwoProportionZ(a, b)
	if f := Fisher(a, b); math.Abs(f-p) > .004 {
		t.Errorf("Fisher %v, z %v", f, p)
	}
}

func TestNormalEnough(t *testing.T) {
	for _, c := range []struct {
		a, b Proportion
		want bool
	}{
		{Proportion{5, 100}, Proportion{5, 100}, true},
		{Proportion{4, 100}, Proportion{5, 100}, false},
		{Proportion{95, 100}, Proportion{96, 100}, false}, // too few others
		{Proportion{40, 50}, Proportion{1, 10}, false},    // 19·10/60 = 3.2 others
		{Proportion{29, 50}, Proportion{1, 10}, true},     // 30·10/60
	} {
		if got := NormalEnough(c.a, c.b); got != c.want {
			t.Errorf("%v %v: %v", c.a, c.b, got)
		}
	}
}

// TestHolm has the four p values that the encyclopedias have as example.
func TestHolm(t *testing.T) {
	got := Holm([]float64{.01, .04, .03, .005})
	for i, want := range []float64{.03, .06, .06, .02} {
		near(t, "adjusted", got[i], want, 1e-12)
	}
	if got := Holm([]float64{.2}); got[0] != .2 {
		t.Errorf("of one: %v", got)
	}
	if got := Holm([]float64{.9, .8}); got[0] != 1 || got[1] != 1 {
		t.Errorf("above 1: %v", got)
	}
}

// TestMAD has the usual example 1 1 2 2 4 6 9: median 2, deviation 1.
func TestMAD(t *testing.T) {
	median, deviation := MAD([]float64{9, 1, 2, 6, 1, 4, 2})
	near(t, "median", median, 2, 0)
	near(t, "deviation", deviation, 1.4826, 5e-5)
	near(t, "of an even number", Median([]float64{4, 1, 3, 2}), 2.5, 0)
}

// TestQuantile compares with sorted numbers: each quantile lies in the bucket of
// the number of that rank.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.Int64Range(1, 9).Draw(t, "width")
		numbers := rapid.SliceOfN(rapid.Int64Range(0, 99), 1, 50).Draw(t, "numbers")
		buckets := make([]Bucket, 100/width+1)
		for i := range buckets {
			buckets[i] = Bucket{From: int64(i) * width, To: int64(i+1) * width}
		}
		sorted := make([]float64, len(numbers))
		for i, n := range numbers {
			buckets[n/width].Count++
			sorted[i] = float64(n)
		}
		_ = Median(sorted) // It sorts.
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got, ok := Quantile(buckets, q)
		want := sorted[max(1, int(math.Ceil(q*float64(len(sorted)))))-1]
		if !ok || math.Abs(got-want) > float64(width-1)/2 {
			t.Fatalf("%v of %v: %v, want %v", q, sorted, got, want)
		}
		sum := 0.0
		for _, n := range sorted {
			sum += n
		}
		if mean, ok := Mean(buckets); !ok || math.Abs(mean-sum/float64(len(sorted))) > float64(width-1)/2+1e-9 {
			t.Fatalf("mean %v of %v", mean, sorted)
		}
	})
	if _, ok := Quantile([]Bucket{{From: 1, To: 2}}, .5); ok {
		t.Error("a quantile of nothing")
	}
	if _, ok := Mean(nil); ok {
		t.Error("a mean of nothing")
	}
}
