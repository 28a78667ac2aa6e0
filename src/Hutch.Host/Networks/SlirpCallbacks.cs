using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Networks;

/// <summary>What libslirp calls. Nothing may be thrown through it.</summary>
internal static unsafe class SlirpCallbacks
{
    /// <summary>Fills the table of callbacks, which stays where it is while the stack lives.</summary>
    internal static SlirpNative.Callbacks* Fill(SlirpMemory memory)
    {
        // SAFETY: the memory is zeroed, of this size, and freed after the stack that uses it.
        SlirpNative.Callbacks* table = (SlirpNative.Callbacks*)memory.Allocate(sizeof(SlirpNative.Callbacks));
        table->SendPacket = &SendPacket;
        table->GuestError = &GuestError;
        table->ClockNanoseconds = &ClockNanoseconds;
        table->NewTimer = &NewTimer;
        table->FreeTimer = &FreeTimer;
        table->ArmTimer = &ArmTimer;
        table->RegisterDescriptor = &IgnoreDescriptor;
        table->UnregisterDescriptor = &IgnoreDescriptor;
        table->Notify = &Notify;
        return table;
    }

    /// <summary>SlirpAddPollCb: takes a socket into the next poll; returns its index.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int AddPoll(int descriptor, int events, nint stack) => Stack(stack).Polls.Add(descriptor, events);

    /// <summary>SlirpGetREventsCb: what the poll found of an index.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int PolledEvents(int index, nint stack) => Stack(stack).Polls.Found(index);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint SendPacket(byte* frame, nuint length, nint stack)
    {
        // SAFETY: the library passes a frame of its own, which stays during the call.
        if (length <= int.MaxValue) Stack(stack).Client.Receive(new ReadOnlySpan<byte>(frame, (int)length));
        return (nint)length;
    }

    // A guest can cause these at will: they are not worth a line each.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void GuestError(byte* message, nint stack) { }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static long ClockNanoseconds(nint stack) => Stack(stack).Clock.MonotonicNanoseconds;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint NewTimer(nint expired, nint opaque, nint stack) => Stack(stack).Timers.Create(expired, opaque);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeTimer(nint timer, nint stack) => Stack(stack).Timers.Free(timer);

    // SAFETY: the library passes a timer that NewTimer gave it and that it has not freed.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void ArmTimer(nint timer, long deadlineMs, nint stack) => ((SlirpNative.Timer*)timer)->DeadlineMs = deadlineMs;

    // Every wait asks for the descriptors anew.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void IgnoreDescriptor(int descriptor, nint stack) { }

    // Comes only while the stack is being called: the next wait looks at all sockets anyhow.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Notify(nint stack) { }

    private static SlirpStack Stack(nint handle) => Unsafe.As<SlirpStack>(GCHandle.FromIntPtr(handle).Target!);
}
