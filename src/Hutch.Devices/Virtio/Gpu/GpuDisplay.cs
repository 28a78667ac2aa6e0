using System;
using System.Threading;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Display;
using Hutch.Model.Machine;
using static Hutch.Devices.Virtio.Gpu.VirtioGpuRegisters;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>
/// The card's one display (virtio 1.2 §5.7.6): which part of which resource it shows, the pointer over it, and the size that it would like. The device's worker changes it, viewers draw it:
/// both hold <see cref="Gate"/>. Before a driver shows something it is dark.
/// </summary>
internal sealed class GpuDisplay : IScreen
{
    private readonly int _firstWidth, _firstHeight;
    private readonly Action _asked;
    private GpuResource? _shown;
    private GpuRectangle _part;
    private int _width, _height;
    private bool _isDriven, _isRunning;

    /// <summary>Makes it, dark.</summary>
    /// <param name="name">The device's name.</param>
    /// <param name="memory">Guest RAM, which resources are filled from.</param>
    /// <param name="width">What it would like to show, in pixels: as <see cref="Edid.Write"/> takes them.</param>
    /// <param name="height">Likewise.</param>
    /// <param name="asked">Called when it would like another size, under <see cref="Gate"/>.</param>
    internal GpuDisplay(string name, GuestMemory memory, int width, int height, Action asked)
    {
        (Name, _asked) = (name, asked);
        Resources = new GpuResources(memory);
        (_width, _height) = (_firstWidth, _firstHeight) = (width, height);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public bool IsDriven => Volatile.Read(ref _isDriven);

    /// <summary>Held around everything that changes.</summary>
    internal Lock Gate { get; } = new();

    /// <summary>The driver's resources. Under <see cref="Gate"/>.</summary>
    internal GpuResources Resources { get; }

    /// <summary>The pointer. Under <see cref="Gate"/>.</summary>
    internal GpuCursor Cursor { get; } = new();

    /// <summary>The size that it would like. Under <see cref="Gate"/>.</summary>
    internal (int Width, int Height) Preferred => (_width, _height);

    /// <inheritdoc/>
    public void Draw(ScreenFrame frame)
    {
        lock (Gate)
        {
            if (_shown is null)
            {
                frame.Resize(_width, _height);
                frame.Pixels.Clear();
                return;
            }
            frame.Resize((int)_part.Width, (int)_part.Height);
            int stride = _shown.Width * GpuFormat.PixelBytes, start = ((int)_part.Y * stride) + ((int)_part.X * GpuFormat.PixelBytes);
            for (int y = 0; y < frame.Height; y++)
            {
                Span<uint> row = frame.Row(y);
                GpuFormat.Read(_shown.Format, _shown.Pixels.Slice(start + (y * stride), row.Length * GpuFormat.PixelBytes), row);
                foreach (ref uint pixel in row) pixel &= 0xff_ffff;
            }
            Cursor.Draw(frame);
        }
    }

    /// <inheritdoc/>
    public LinearMode? SetBootMode() => null;

    /// <inheritdoc/>
    public bool AskForSize(int width, int height)
    {
        (width, height) = (Math.Clamp(width, VirtioGpuConfig.LeastSide, VirtioGpuConfig.MostWidth), Math.Clamp(height, VirtioGpuConfig.LeastSide, VirtioGpuConfig.MostHeight));
        lock (Gate)
        {
            if (!_isRunning) return false;
            if (Preferred == (width, height)) return true;
            (_width, _height) = (width, height);
            _asked();
            return true;
        }
    }

    /// <summary>The machine runs, or stands still: then nothing can be asked for.</summary>
    internal void SetRunning(bool isRunning)
    {
        lock (Gate) _isRunning = isRunning;
    }

    /// <summary>VIRTIO_GPU_CMD_SET_SCANOUT of the one scanout; no resource: it is dark. Answers with one of the specification's codes. Under <see cref="Gate"/>.</summary>
    internal uint Show(GpuResource? resource, GpuRectangle part)
    {
        bool fits = resource is null || (!part.IsEmpty && part.IsWithin((uint)resource.Width, (uint)resource.Height) && part.Width <= ScreenFrame.MostSide && part.Height <= ScreenFrame.MostSide);
        if (!fits) return BadParameter;
        (_shown, _part) = (resource, resource is null ? default : part);
        Volatile.Write(ref _isDriven, resource is not null);
        return Completed;
    }

    /// <summary>VIRTIO_GPU_CMD_RESOURCE_UNREF: what is shown goes dark with it. Under <see cref="Gate"/>.</summary>
    internal void Remove(GpuResource resource)
    {
        if (_shown == resource) Show(null, default);
        Resources.Remove(resource);
    }

    /// <summary>As at power-on, but for the preferred size unless the machine is reset.</summary>
    internal void Reset(bool machineReset)
    {
        lock (Gate)
        {
            Show(null, default);
            Cursor.Hide();
            Cursor.Move(0, 0);
            Resources.Clear();
            if (machineReset) (_width, _height) = (_firstWidth, _firstHeight);
        }
    }

    /// <summary>Saves or restores all.</summary>
    internal void Exchange(StateFields fields)
    {
        lock (Gate)
        {
            uint shown = _shown?.Id ?? 0;
            Span<uint> part = [_part.X, _part.Y, _part.Width, _part.Height];
            fields.Value("width", ref _width, Edid.LeastSide, Edid.MostSide);
            fields.Value("height", ref _height, Edid.LeastSide, Edid.MostSide);
            // What is shown must not outlive its pixels.
            if (fields.IsRestoring) Show(null, default);
            Resources.Exchange(fields);
            fields.Value("scanout-resource", ref shown);
            fields.Numbers("scanout-part", part);
            fields.Group("cursor", Cursor.Exchange);
            if (!fields.IsRestoring) return;
            GpuResource? resource = Resources.Find(shown);
            fields.Require(shown == 0 || resource is not null, "scanout-resource");
            fields.Require(Show(resource, new GpuRectangle(part[0], part[1], part[2], part[3])) == Completed, "scanout-part");
        }
    }
}
