package main

import "context"

func benchKeys(context.Context, options) error    { return nil }
func benchLatency(context.Context, options) error { return nil }
func benchIdle(context.Context, options) error    { return nil }
