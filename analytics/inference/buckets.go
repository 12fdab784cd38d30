package inference

import "math"

// Bucket counts whole numbers from From on and below To.
type Bucket struct {
	From, To, Count int64
}

// Middle is what stands for the numbers of a bucket: the middle of the whole
// numbers that it can hold, which is the number itself where there is only one.
func (b Bucket) Middle() float64 { return float64(b.From) + float64(b.To-b.From-1)/2 }

// Quantile returns the q-quantile, by nearest rank, of what buckets in ascending
// order count: the middle of the bucket that the number of that rank lies in. So it
// is wrong by half of that bucket at most. ok is false where nothing is counted.
func Quantile(buckets []Bucket, q float64) (value float64, ok bool) {
	var total int64
	for _, b := range buckets {
		total += b.Count
	}
	if total <= 0 {
		return 0, false
	}
	rank := max(1, int64(math.Ceil(q*float64(total))))
	for _, b := range buckets {
		if rank -= b.Count; rank <= 0 {
			return b.Middle(), true
		}
	}
	return 0, false
}

// Mean returns the mean of what buckets count, with the middle of a bucket for each
// number in it. ok is false where nothing is counted.
func Mean(buckets []Bucket) (value float64, ok bool) {
	var total int64
	sum := 0.0
	for _, b := range buckets {
		total += b.Count
		sum += float64(b.Count) * b.Middle()
	}
	if total <= 0 {
		return 0, false
	}
	return sum / float64(total), true
}
