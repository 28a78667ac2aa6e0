using System;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Vmm.Boot;

namespace Hutch.Vmm.Build;

/// <summary>The kernel and the initial RAM disk, open and parsed before anything else is made. They stay open, so that a reset boots the same files.</summary>
internal sealed class BootImages : IDisposable
{
    private readonly ImageSource _source;

    private BootImages(ImageSource source, IKernelImage kernel, ImageSource? initrd)
    {
        _source = source;
        Kernel = kernel;
        Initrd = initrd;
    }

    /// <summary>The kernel.</summary>
    internal IKernelImage Kernel { get; }

    /// <summary>The initial RAM disk, or null.</summary>
    internal ImageSource? Initrd { get; }

    /// <summary>Opens and parses. Throws <see cref="ConfigException"/> for an image that cannot be booted.</summary>
    internal static BootImages Open(KernelBoot boot)
    {
        ImageSource source = ImageSource.Open(boot.KernelPath, "kernel");
        try
        {
            IKernelImage kernel = KernelImages.Parse(source);
            return new BootImages(source, kernel, boot.InitrdPath is null ? null : ImageSource.Open(boot.InitrdPath, "initrd"));
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Initrd?.Dispose();
        _source.Dispose();
    }
}
