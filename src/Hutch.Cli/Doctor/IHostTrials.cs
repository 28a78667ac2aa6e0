using Hutch.Host.Trials;

namespace Hutch.Cli.Doctor;

/// <summary>What the doctor has the kernel do, so that its lines say what happened and not what a file promises. A test answers for another host.</summary>
internal interface IHostTrials : IEngineTrials, IMemoryTrials, INetworkTrials, IKernelTrials, IFileTrials;

/// <summary>What is tried for the engines.</summary>
internal interface IEngineTrials
{
    /// <summary>Opens a device node for reading and writing.</summary>
    Trial OpenDevice(string path);

    /// <summary>Executes code that this process wrote.</summary>
    Trial CodeMemory();

    /// <summary>Asks whether programs may use RDFSBASE and WRGSBASE.</summary>
    Trial FsGsBase();

    /// <summary>Starts <c>hutch-vmm --probe</c>: its one line of JSON, or null with the reason.</summary>
    string? ProbeKvm(out string reason);

    /// <summary>Effective user.</summary>
    uint UserId { get; }

    /// <summary>Effective and supplementary groups.</summary>
    uint[] GroupIds { get; }
}

/// <summary>What is tried of memory.</summary>
internal interface IMemoryTrials
{
    /// <summary>Takes a page of the pool of that page size.</summary>
    Trial HugePage(ulong pageBytes);

    /// <summary>Asks for a transparent huge page.</summary>
    Trial TransparentHugePage();

    /// <summary>Offers memory for same-page merging.</summary>
    Trial Mergeable();

    /// <summary>Asks for the memory policy.</summary>
    Trial MemoryPolicy();
}

/// <summary>What is tried for guests' networks.</summary>
internal interface INetworkTrials
{
    /// <summary>Asks for a network interface; none is made.</summary>
    Trial MakeInterface(string path);

    /// <summary>Asks vhost for its features.</summary>
    Trial Vhost(string path);
}

/// <summary>What is tried of the kernel.</summary>
internal interface IKernelTrials
{
    /// <summary>Sends a no-operation through a ring.</summary>
    Trial IoUring();

    /// <summary>userfaultfd(2) for faults of user mode.</summary>
    Trial UserfaultOfUserMode();

    /// <summary>userfaultfd(2) for faults of the kernel too.</summary>
    Trial UserfaultOfKernel(string path);

    /// <summary>Asks Landlock for its ABI version.</summary>
    Trial Landlock();

    /// <summary>Asks whether the clock is synchronised.</summary>
    Trial ClockSynchronised();

    /// <summary>Makes a directory and removes it.</summary>
    Trial MakeDirectory(string path);

    /// <summary>A limit on this process.</summary>
    ProcessLimit Limit(LimitedResource resource);
}

/// <summary>What is tried with files.</summary>
internal interface IFileTrials
{
    /// <summary>Brings a new file to the disk.</summary>
    Trial Fsync(string directory);

    /// <summary>Version of a library, or null when it cannot be loaded.</summary>
    string? Library(string library, string versionFunction);
}
