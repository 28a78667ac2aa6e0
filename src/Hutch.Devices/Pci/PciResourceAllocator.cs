using System;
using System.Collections.Generic;

namespace Hutch.Devices.Pci;

/// <summary>Finds every BAR a naturally aligned place, the largest first so that alignment wastes nothing. The functions take it when they are reset.</summary>
internal static class PciResourceAllocator
{
    internal static void Assign(ReadOnlySpan<PciFunction?> functions, ulong highStart, ulong highBytes)
    {
        List<(PciFunction Function, PciBar Bar)> bars = [];
        foreach (PciFunction? function in functions)
            if (function is not null)
                foreach (PciBar bar in function.Bars) bars.Add((function, bar));
        // The order among equals stays slot and register order, so that the same machine always gets the same addresses.
        bars.Sort(static (a, b) => a.Bar.LengthBytes != b.Bar.LengthBytes ? b.Bar.LengthBytes.CompareTo(a.Bar.LengthBytes)
            : a.Function.Slot != b.Function.Slot ? a.Function.Slot.CompareTo(b.Function.Slot)
            : a.Function.Number != b.Function.Number ? a.Function.Number.CompareTo(b.Function.Number) : a.Bar.Index.CompareTo(b.Bar.Index));

        Window io = new(PciWindows.IoStart, PciWindows.IoEnd);
        Window low = new(PciWindows.LowStart, PciWindows.LowEnd);
        Window high = highBytes == 0 ? new(1, 0) : new(highStart, highStart + (highBytes - 1));
        foreach ((PciFunction function, PciBar bar) in bars)
        {
            // 32-bit guests and loaders reach only the low window, so the high one takes what does not fit.
            ulong start = bar.Kind == PciBarKind.Io ? io.Take(bar.LengthBytes) : low.Take(bar.LengthBytes);
            if (start == 0 && bar.Kind == PciBarKind.Memory64) start = high.Take(bar.LengthBytes);
            if (start == 0)
                throw new ConfigException($"{function.Name} needs {bar.LengthBytes} bytes of PCI address space and the windows are full; remove a device.");
            bar.BootAddress = start;
        }
    }

    private sealed class Window(ulong next, ulong end)
    {
        /// <summary>The next aligned place, or 0.</summary>
        internal ulong Take(ulong lengthBytes)
        {
            ulong start = (next + (lengthBytes - 1)) & ~(lengthBytes - 1);
            if (start < next || start > end || end - start < lengthBytes - 1) return 0;
            next = start + lengthBytes;
            return start;
        }
    }
}
