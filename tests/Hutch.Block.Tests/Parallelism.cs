using Xunit;

// One test at a time: a program that a test starts holds all open files of this process, and with them the locks on images, from the fork until it becomes
// that program. A test beside it that has just closed an image and opens it again would find it in use.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
