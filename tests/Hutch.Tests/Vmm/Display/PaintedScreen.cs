using System;
using System.Linq;
using System.Threading;
using Hutch.Devices;

namespace Hutch.Tests.Vmm.Display;

/// <summary>A screen whose pixels the test knows.</summary>
internal sealed class PaintedScreen : IScreen
{
    private readonly Lock _lock = new();
    private readonly ScreenFrame _frame = new();

    internal PaintedScreen() => Resize(200, 150);

    public string Name => "painted";

    public bool IsDriven { get; set; }

    internal uint[] Pixels => _frame.Pixels.ToArray();

    /// <summary>The guest can be asked for a size.</summary>
    internal bool CanBeAsked { get; set; }

    public bool AskForSize(int width, int height)
    {
        if (CanBeAsked) Resize(width, height);
        return CanBeAsked;
    }

    public LinearMode? SetBootMode() => null;

    public void Draw(ScreenFrame frame)
    {
        lock (_lock) frame.CopyFrom(_frame);
    }

    internal void Resize(int width, int height)
    {
        lock (_lock) _frame.Resize(width, height);
        Paint(9);
    }

    internal void Paint(int colours)
    {
        Random random = new(colours);
        uint[] palette = [.. Enumerable.Range(0, colours).Select(_ => (uint)random.Next(1 << 24))];
        lock (_lock)
            foreach (ref uint pixel in _frame.Pixels) pixel = palette[random.Next(colours)];
    }

    internal void Set(int x, int y, uint pixel)
    {
        lock (_lock) _frame.Row(y)[x] = pixel;
    }
}
