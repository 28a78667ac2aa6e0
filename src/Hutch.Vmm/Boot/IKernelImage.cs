namespace Hutch.Vmm.Boot;

/// <summary>A parsed kernel image. Loading can be repeated: every reset of the machine does.</summary>
internal interface IKernelImage
{
    /// <summary>The boot protocol, for messages: "bzImage", "ELF", "PVH", "multiboot".</summary>
    string Protocol { get; }

    /// <summary>Writes the image and what its protocol asks for. Throws <see cref="Devices.ConfigException"/> when it does not fit.</summary>
    void Load(BootTarget target);
}
