package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var n int64
	fmt.Sscan(os.Args[2], &n)
	if err := load(ctx, os.Args[1], loadSpec{Seed: 1, Events: n, Tail: n / 5, Days: 57}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
