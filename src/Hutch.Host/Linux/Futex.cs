namespace Hutch.Host.Linux;

/// <summary>futex(2) on a word of this process's native memory.</summary>
public static unsafe class Futex
{
    /// <summary>Sleeps while the word is <paramref name="expected"/>, until woken. Returns at once if it differs; may return spuriously.</summary>
    public static void Wait(int* word, int expected) =>
        // SAFETY: the caller owns the word, 4-byte aligned, for the length of the call.
        _ = Libc.Futex(Libc.SysFutex, word, Libc.FutexWaitBitsetPrivate, expected, null, null, Libc.FutexMatchAny);

    /// <summary>Wakes up to <paramref name="count"/> sleepers.</summary>
    public static void Wake(int* word, int count) =>
        // SAFETY: as in Wait.
        _ = Libc.Futex(Libc.SysFutex, word, Libc.FutexWakePrivate, count, null, null, 0);
}
