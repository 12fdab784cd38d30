package verify

import "context"

func (v *verifier) compareClickHouse(context.Context) error { return nil }
