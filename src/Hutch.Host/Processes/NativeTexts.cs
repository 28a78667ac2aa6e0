using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Hutch.Host.Processes;

/// <summary>Texts as C has them: a vector of pointers to UTF-8 that ends with null.</summary>
internal sealed unsafe class NativeTexts : IDisposable
{
    private readonly int _count;

    internal NativeTexts(IReadOnlyList<string> texts)
    {
        _count = texts.Count;
        // SAFETY: one entry more than there are texts; the last stays null.
        Vector = (byte**)NativeMemory.AllocZeroed((nuint)_count + 1, (nuint)sizeof(byte*));
        for (int index = 0; index < _count; index++) Vector[index] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[index]);
    }

    /// <summary>Valid until <see cref="Dispose"/>.</summary>
    internal byte** Vector { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Vector is null) return;
        for (int index = 0; index < _count; index++) Marshal.FreeCoTaskMem((nint)Vector[index]);
        NativeMemory.Free(Vector);
        Vector = null;
    }
}
