namespace Hutch.Model.Machine;

/// <summary>A virtio GPU in 2D mode with one display (virtio 1.2 §5.7).</summary>
/// <param name="Id">Device name.</param>
/// <param name="Width">Of the picture that it asks the guest for, in pixels, from <see cref="LeastSide"/> to <see cref="MostWidth"/>.</param>
/// <param name="Height">Likewise, up to <see cref="MostHeight"/>.</param>
public sealed record VirtioGpuConfig(string Id, int Width = VirtioGpuConfig.UsualWidth, int Height = VirtioGpuConfig.UsualHeight) : DeviceConfig(Id)
{
    /// <summary>The width where none is said.</summary>
    public const int UsualWidth = 1280;

    /// <summary>The height where none is said.</summary>
    public const int UsualHeight = 800;

    /// <summary>The smallest width and height.</summary>
    public const int LeastSide = 64;

    /// <summary>The largest width.</summary>
    public const int MostWidth = 3840;

    /// <summary>The largest height.</summary>
    public const int MostHeight = 2160;
}
