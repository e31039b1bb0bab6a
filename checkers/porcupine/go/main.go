// A C library around Porcupine: one call that takes a request in JSON and gives an answer in JSON, and callbacks for
// models that live in the caller.
package main

/*
#include <stdint.h>
#include <stdlib.h>

typedef struct {
	// The state after a step, -1 if the model refuses it, -2 if the caller failed and the check should end.
	int64_t (*step)(int64_t state, int64_t input, int64_t output);
	// 1 if two states are equal, 0 if not; null: states are equal if their numbers are.
	int32_t (*equal)(int64_t one, int64_t other);
	// A text that stays valid until the check or the drawing ends; null: none.
	const char *(*describe)(int64_t state);
} quorate_model;

static int64_t quorate_step(quorate_model *model, int64_t state, int64_t input, int64_t output) {
	return model->step(state, input, output);
}
static int32_t quorate_equal(quorate_model *model, int64_t one, int64_t other) { return model->equal(one, other); }
static const char *quorate_describe(quorate_model *model, int64_t state) { return model->describe(state); }
static int quorate_has_equal(quorate_model *model) { return model->equal != 0; }
static int quorate_has_describe(quorate_model *model) { return model->describe != 0; }
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"unsafe"
)

// quorate_porcupine answers a request; `data` is a history in the exchange format where the request needs one, `model`
// is null unless the request names a model of the caller. The answer is to be given to quorate_porcupine_free.
//
//export quorate_porcupine
func quorate_porcupine(
	request *C.char, requestLength C.size_t, data *C.char, dataLength C.size_t, model *C.quorate_model,
	length *C.size_t,
) *C.char {
	outside := outer(model)
	answer := answer(bytesOf(request, requestLength), bytesOf(data, dataLength), outside)
	if outside != nil {
		outside.gate.close()
	}
	*length = C.size_t(len(answer))
	return (*C.char)(C.CBytes(answer))
}

//export quorate_porcupine_free
func quorate_porcupine_free(answer *C.char) {
	C.free(unsafe.Pointer(answer))
}

func bytesOf(start *C.char, length C.size_t) []byte {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(start)), int(length))
}

// gate lets calls to the caller through until it is closed. Porcupine does not wait for its searches after a timeout,
// nor after the first bad part; what they would call then is no longer there.
type gate struct {
	mutex  sync.RWMutex
	closed bool
}

// through makes the call unless the gate is closed.
func (g *gate) through(call func()) {
	g.mutex.RLock()
	defer g.mutex.RUnlock()
	if !g.closed {
		call()
	}
}

// close waits for the calls that are under way; none comes after it.
func (g *gate) close() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.closed = true
}

// callbacks are what a model outside can do. Behind a closed gate no step is possible and nothing is equal.
type callbacks struct {
	gate     gate
	step     func(state, input, output int64) int64
	equal    func(one, other int64) bool
	describe func(state int64) string
}

func outer(model *C.quorate_model) *callbacks {
	if model == nil {
		return nil
	}
	found := &callbacks{}
	found.step = func(state, input, output int64) int64 {
		next := int64(-1)
		found.gate.through(func() {
			next = int64(C.quorate_step(model, C.int64_t(state), C.int64_t(input), C.int64_t(output)))
		})
		return next
	}
	if C.quorate_has_equal(model) != 0 {
		found.equal = func(one, other int64) bool {
			same := false
			found.gate.through(func() { same = C.quorate_equal(model, C.int64_t(one), C.int64_t(other)) != 0 })
			return same
		}
	}
	if C.quorate_has_describe(model) != 0 {
		found.describe = func(state int64) string {
			told := ""
			found.gate.through(func() { told = C.GoString(C.quorate_describe(model, C.int64_t(state))) })
			return told
		}
	}
	return found
}

// answer never panics: what goes wrong is an answer with an error.
func answer(request, data []byte, model *callbacks) (out []byte) {
	defer func() {
		if panicked := recover(); panicked != nil {
			out = encode(map[string]any{"error": fmt.Sprintf("%v\n%s", panicked, debug.Stack())})
		}
	}()
	var asked Request
	if err := json.Unmarshal(request, &asked); err != nil {
		return encode(map[string]any{"error": "the request is no JSON: " + err.Error()})
	}
	found, err := dispatch(&asked, data, model)
	if err != nil {
		return encode(map[string]any{"error": err.Error()})
	}
	return encode(found)
}

func encode(value any) []byte {
	out, err := json.Marshal(value)
	if err != nil {
		return []byte(`{"error":"the answer is no JSON"}`)
	}
	return out
}

func main() {}
