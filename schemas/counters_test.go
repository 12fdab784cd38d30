package schemas

import (
	"reflect"
	"testing"
)

func TestCountersAddEveryCount(t *testing.T) {
	var a, b Counters
	va, vb := reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem()
	for i := range va.NumField() {
		va.Field(i).SetInt(int64(i))
		vb.Field(i).SetInt(int64(1000 * i))
	}
	a.Add(&b)
	for i := range va.NumField() {
		if got := va.Field(i).Int(); got != int64(1001*i) {
			t.Errorf("%s is %d, want %d", va.Type().Field(i).Name, got, 1001*i)
		}
	}
}
